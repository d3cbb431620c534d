import { readFileSync } from 'node:fs';
import type { Locator } from '@playwright/test';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { DIALOG, GROUPS, TABLE } from './guide';
import { VIEWER } from './seed';

const BASE = '/i/demo/groups';
const { create, topics } = GROUPS;

function row(it: Console, name: string, broker = 'a'): Locator {
  const { page } = it;
  return it
    .table(GROUPS.title)
    .getByRole('row')
    .filter({ has: page.getByRole('cell', { name, exact: true }) })
    .filter({ has: page.getByRole('cell', { name: broker, exact: true }) });
}

function action(it: Console, what: string, name: string): Locator {
  return row(it, name).getByRole('button', { name: `${what}：${name}`, exact: true });
}

/** A name that no other test has, because tests share a service. */
let made = 0;
const fresh = () => `probe_${Date.now()}_${++made}`;

async function createGroup(it: Console, name: string): Promise<void> {
  await it.page.getByRole('button', { name: '新建', exact: true }).click();
  const dialog = it.page.getByRole('dialog', { name: create.title });
  await dialog.getByLabel('订阅组名称').fill(name);
  await dialog.getByRole('button', { name: DIALOG.save, exact: true }).click();
  await expect(dialog).toHaveCount(0);
}

async function search(it: Console, name: string): Promise<void> {
  await it.page.getByRole('search').getByLabel('订阅组名').fill(name);
  await it.page.getByRole('button', { name: '查询' }).click();
}

test.describe('S-22 6.6 订阅组管理', () => {
  test('has the filters, columns, actions and values of the guide', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    await expect(page.locator('main h1')).toHaveText(GROUPS.title);
    await expect(row(it, 'workers')).toBeVisible();
    expect(await it.columns(GROUPS.title)).toEqual([...GROUPS.columns]);
    const filters = page.getByRole('search').locator('label');
    expect((await filters.allInnerTexts()).map((text) => text.trim())).toEqual([...GROUPS.filters]);
    await expect(page.getByRole('search').locator('.ant-form-item-required')).toHaveText('集群');
    await expect(page.getByRole('search').getByRole('button')).toHaveText([...GROUPS.buttons]);
    for (const name of GROUPS.batch) {
      await expect(page.getByRole('button', { name, exact: true })).toBeVisible();
    }
    await expect(page.getByText('*批量操作')).toBeVisible();
    const buttons = row(it, 'workers').getByRole('button');
    expect((await buttons.allInnerTexts()).map((text) => text.trim())).toEqual([...GROUPS.actions]);
    await expect(row(it, 'workers', 'a')).toHaveCount(1);
    await expect(row(it, 'workers', 'b')).toHaveCount(1);
    for (const text of ['0', '是']) {
      await expect(row(it, 'workers').getByRole('cell', { name: text, exact: true })).toBeVisible();
    }
    await expect(it.table(GROUPS.title).getByRole('checkbox').nth(1)).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(BASE, { language });
      await expect(it.page.getByRole('cell', { name: 'auditors' }).first()).toBeVisible();
      await it.accessible();
      await it.shot('groups', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('groups-390', language);
    });

    test(`has dialogs that can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(BASE, { language });
      const { page } = it;
      const dialog = page.getByRole('dialog');
      const name = (zh: string, en: string) => (language === 'zh' ? zh : en);
      const cell = it.table(name(GROUPS.title, 'Subscription groups')).getByRole('row').nth(1);
      await page.getByRole('button', { name: name('新建', 'New'), exact: true }).click();
      await expect(dialog).toBeVisible();
      await it.accessible();
      await it.shot('groups-create', language);
      await page.getByRole('button', { name: name(create.choose, 'Choose topics...') }).click();
      await expect(dialog).toHaveCount(2);
      await expect(page.getByRole('checkbox', { name: 'orders', exact: true })).toBeVisible();
      await it.accessible();
      await it.shot('groups-edit-topics', language);
      await page.keyboard.press('Escape');
      await expect(dialog).toHaveCount(1);
      await page.keyboard.press('Escape');
      await expect(dialog).toHaveCount(0);
      for (const [text, shot] of [[name('主题列表', 'Topics'), 'groups-topics'], [name('修改', 'Change'), 'groups-change']] as const) {
        await cell.getByText(text, { exact: true }).click();
        await expect(dialog).toBeVisible();
        await expect(dialog.locator('.ant-spin-spinning')).toHaveCount(0);
        await it.accessible();
        await it.shot(shot, language);
        await page.keyboard.press('Escape');
        await expect(dialog).toHaveCount(0);
      }
      await page.getByRole('button', { name: name('批量创建', 'Batch creation') }).click();
      await expect(dialog).toBeVisible();
      await it.accessible();
      await it.shot('groups-import', language);
    });
  }

  test('is found by broker and by a part of the name', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    await search(it, 'UDIT');
    await expect(row(it, 'workers')).toHaveCount(0);
    await expect(row(it, 'auditors', 'b')).toBeVisible();
    await page.getByRole('search').getByLabel('Broker').click();
    await page.locator('.ant-select-item-option', { hasText: /^a$/ }).click();
    await page.getByRole('button', { name: '查询' }).click();
    await expect(row(it, 'auditors', 'b')).toHaveCount(0);
    await expect(row(it, 'auditors', 'a')).toBeVisible();
    await search(it, 'no such group');
    await expect(it.table(GROUPS.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('「新建订阅组」 has the fields of the guide, says what is wrong, and makes the group', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    const name = fresh();
    await page.getByRole('button', { name: '新建', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: create.title });
    await expect(dialog.locator('.ant-form-item-label label')).toHaveText([...create.fields]);
    await expect(dialog.getByPlaceholder(create.placeholder)).toBeFocused();
    await expect(dialog.getByRole('checkbox', { name: '全部' })).toBeChecked();
    for (const text of [create.start, create.mechanism, create.unlimited]) {
      await expect(dialog.getByText(text)).toBeVisible();
    }
    await dialog.getByRole('button', { name: DIALOG.save, exact: true }).click();
    await expect(dialog.getByText('请输入订阅组名称')).toBeVisible();
    for (const bad of ['two words', '订阅组', 'a.b', '%RETRY%x']) {
      await dialog.getByLabel('订阅组名称').fill(bad);
      await expect(dialog.locator('.ant-form-item-explain-error').getByText(create.placeholder)).toBeVisible();
    }
    await dialog.getByLabel('备注').fill('备'.repeat(171));
    await expect(dialog.getByText('备注过长')).toBeVisible();
    await dialog.getByLabel('备注').fill('备注一');

    // The service's own words, for what only it knows.
    for (const refused of ['workers', 'rmq_sys_x']) {
      await dialog.getByLabel('订阅组名称').fill(refused);
      await dialog.getByLabel('订阅组名称').press('Enter');
      await expect(dialog.getByRole('alert').filter({ hasText: refused })).toBeVisible();
    }

    await dialog.getByLabel('订阅组名称').fill(name);
    await dialog.getByRole('button', { name: create.choose }).click();
    const chooser = page.getByRole('dialog', { name: topics.title });
    await expect(chooser.locator('thead th')).toHaveText(['', ...topics.columns]);
    await chooser.getByRole('checkbox', { name: 'orders', exact: true }).check();
    const limit = chooser.getByLabel('TPS 阈值：orders');
    for (const bad of ['-1', '1.5', '']) {
      await limit.fill(bad);
      await expect(chooser.getByText('请输入不小于0的整数')).toBeVisible();
      await expect(chooser.getByRole('button', { name: DIALOG.save, exact: true })).toBeDisabled();
    }
    await limit.fill('25');
    await chooser.getByRole('button', { name: DIALOG.save, exact: true }).click();
    await expect(chooser).toHaveCount(0);
    await expect(dialog.getByText(create.limited(1))).toBeVisible();
    await dialog.getByRole('button', { name: DIALOG.save, exact: true }).click();
    await expect(dialog).toHaveCount(0);
    await expect(row(it, name, 'a').getByText(create.start)).toBeVisible();
    await expect(row(it, name, 'b').getByText(create.mechanism)).toBeVisible();

    await action(it, '主题列表', name).click();
    const list = page.getByRole('dialog', { name: `主题列表：${name}` });
    await expect(list.getByRole('row').filter({ hasText: 'orders' }).getByRole('cell', { name: '25' })).toBeVisible();
  });

  test('「修改订阅组」 changes the topic permissions and nothing else', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    const name = fresh();
    await createGroup(it, name);
    await action(it, '修改', name).click();
    const dialog = page.getByRole('dialog', { name: GROUPS.change.title });
    await expect(dialog.locator('.ant-form-item-label label')).toHaveText(['主题权限']);
    await expect(dialog.locator('input:visible, textarea:visible')).toHaveCount(0);
    await dialog.getByRole('button', { name: create.choose }).click();
    const chooser = page.getByRole('dialog', { name: topics.title });
    for (const topic of ['orders', 'payments']) {
      await chooser.getByRole('checkbox', { name: topic, exact: true }).check();
    }
    await chooser.getByRole('button', { name: DIALOG.save, exact: true }).click();
    await dialog.getByRole('button', { name: DIALOG.save, exact: true }).click();
    await expect(dialog).toHaveCount(0);
    await action(it, '修改', name).click();
    await expect(dialog.getByText(create.limited(2))).toBeVisible();
  });

  test('「关闭消费」 and 「开启消费」 ask first, and do it', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    const name = fresh();
    await createGroup(it, name);
    await expect(action(it, '开启消费', name)).toBeDisabled();
    for (const [what, after] of [['关闭消费', '否'], ['开启消费', '是']] as const) {
      await action(it, what, name).click();
      const dialog = page.getByRole('dialog', { name: DIALOG.note });
      await dialog.getByRole('button', { name: DIALOG.confirm, exact: true }).click();
      await expect(page.getByText(`已${what}`)).toBeVisible();
      await expect(row(it, name).getByRole('cell', { name: after, exact: true })).toBeVisible();
      await expect(row(it, name, 'b').getByRole('cell', { name: after, exact: true })).toBeVisible();
    }
  });

  test('「删除」 wants the name, and removes the group', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const name = fresh();
    await createGroup(it, name);
    await action(it, '删除', name).click();
    const dialog = it.page.getByRole('dialog', { name: DIALOG.note });
    await expect(dialog.getByRole('button', { name: DIALOG.confirm, exact: true })).toBeDisabled();
    await dialog.getByRole('textbox').fill(name);
    await dialog.getByRole('textbox').press('Enter');
    await expect(it.page.getByText('删除成功')).toBeVisible();
    await expect(row(it, name)).toHaveCount(0);
  });

  test('a viewer sees what there is, and nothing that changes it', async ({ console: it }) => {
    await it.open(BASE, { as: VIEWER });
    await expect(row(it, 'auditors')).toBeVisible();
    await expect(row(it, 'auditors').getByRole('button')).toHaveText(['主题列表']);
    for (const name of ['新建', '批量创建']) {
      await expect(it.page.getByRole('button', { name, exact: true })).toHaveCount(0);
    }
    await action(it, '主题列表', 'auditors').click();
    await expect(it.page.getByRole('dialog').getByRole('cell', { name: 'orders', exact: true })).toBeVisible();
  });
});

test.describe('S-21 6.6 批量操作', () => {
  const HEADER = '订阅组名,消费机制,消费起始位,topic权限,备注\r\n';

  test('「批量创建」 checks, creates what is good, and tells of each bad line', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    const [one, two] = [fresh(), fresh()];
    const open = page.getByRole('button', { name: '批量创建', exact: true });
    await open.click();
    const dialog = page.getByRole('dialog', { name: '批量创建' });
    const choose = (name: string, text: string) =>
      dialog.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });
    await choose('groups.txt', 'x');
    await expect(dialog.getByText('只支持 .csv 和 .xlsx 文件')).toBeVisible();
    await choose('groups.csv', '');
    await expect(dialog.getByText('文件是空的')).toBeVisible();
    await choose('groups.csv', 'a'.repeat(4 * 1024 * 1024 + 1));
    await expect(dialog.getByText('文件超过 4 MB')).toBeVisible();
    await choose('groups.csv', 'good,1,1,*,\r\n');
    await expect(dialog.getByRole('alert').filter({ hasText: 'header' })).toBeVisible();

    await choose('groups.csv', `${HEADER}${one},1,1,*,\r\ntwo words,1,1,*,\r\n${two},2,3,orders;payments,\r\nbad,7,1,*,\r\n`);
    await expect(dialog.getByText('共 4 行：可创建 2 个，有误 2 行')).toBeVisible();
    const bad = dialog.getByRole('region', { name: '有误的行' });
    await expect(bad.getByRole('row').nth(1)).toContainText('two words');
    await expect(bad.getByRole('row').nth(1).getByRole('cell').first()).toHaveText('3');
    await expect(bad.getByRole('row').nth(2).getByRole('cell').first()).toHaveText('5');
    await expect(bad.getByRole('row').nth(2)).toContainText('消费机制');
    await expect(row(it, one)).toHaveCount(0);
    await it.accessible();
    await it.shot('groups-import-checked', 'zh');
    await dialog.getByRole('button', { name: '开始创建' }).click();
    await expect(dialog.getByText('已创建 2 个，失败 2 行')).toBeVisible();
    await dialog.locator('.ant-modal-footer').getByRole('button', { name: '关闭', exact: true }).click();
    await expect(dialog).toHaveCount(0);
    await expect(row(it, one).getByText('由客户端指定')).toBeVisible();
    await expect(row(it, two).getByText('从最新的消息开始')).toBeVisible();
    await expect(row(it, two).getByText('2.X版本消费机制')).toBeVisible();
  });

  test('「下载模板」 and 「导出」 give files: ticked rows, else all of the broker', async ({ console: it }) => {
    await it.open(`${BASE}?size=50`);
    const { page } = it;
    const saved = async (click: () => Promise<void>) => {
      const [download] = await Promise.all([page.waitForEvent('download'), click()]);
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    };
    const template = await saved(() => page.getByRole('button', { name: '下载模板', exact: true }).click());
    expect(template.name).toBe('groups-template.csv');
    expect(template.bytes.toString()).toContain('订阅组名,消费机制,消费起始位,topic权限,备注');

    const exported = (format: string) =>
      saved(async () => {
        await page.getByRole('button', { name: '导出', exact: true }).click();
        await page.getByRole('menuitem', { name: format }).click();
      });
    const lines = async () => {
      const { bytes } = await exported('CSV');
      const [head = '', ...rest] = bytes.toString().replace('\ufeff', '').trim().split('\r\n');
      expect(head).toBe('订阅组名,起始消费位置,消费机制,集群名称,Broker组名,是否开启,Broker IP');
      return rest.map((line) => line.split(',')).map((cells) => `${cells[0] ?? ''}@${cells[4] ?? ''}`);
    };
    const xlsx = await exported('xlsx');
    expect(xlsx.name).toBe('groups.xlsx');
    expect(xlsx.bytes.subarray(0, 2).toString()).toBe('PK');
    expect(await lines()).toEqual(expect.arrayContaining(['auditors@a', 'auditors@b', 'workers@a', 'workers@b']));

    await row(it, 'auditors', 'a').getByRole('checkbox').check();
    await row(it, 'workers', 'b').getByRole('checkbox').check();
    expect(await lines()).toEqual(['auditors@a', 'workers@b']);

    await it.go(`${BASE}?broker=b&size=50`);
    await expect(row(it, 'auditors', 'b')).toBeVisible();
    const ofBroker = await lines();
    expect(ofBroker).toContain('ledger@b');
    expect(ofBroker.filter((line) => line.endsWith('@a'))).toEqual([]);
  });
});
