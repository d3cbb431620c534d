import { readFileSync } from 'node:fs';
import { expect, LANGUAGES, test } from './fixtures';
import { PROBE, TOPICS } from './guide';
import { VIEWER } from './seed';
import { LIST, rowOf } from './topics';

const HEADER = 'Topic名称,是否有序,队列数,读写权限,备注\r\n';
let made = 0;
const fresh = () => `batch_${Date.now()}_${++made}`;

test.describe('S-21 6.5 批量操作 of topics', () => {
  test('has the actions of the guide', async ({ console: it }) => {
    await it.open(LIST);
    const group = it.page.getByRole('group', { name: '*批量操作' });
    await expect(group.getByRole('button')).toHaveText([...TOPICS.batch]);
    await group.getByRole('button', { name: '拨测', exact: true }).click();
    await expect(it.page.locator('main h1')).toHaveText(PROBE.title);
  });

  test('a viewer has those that change nothing', async ({ console: it }) => {
    await it.open(LIST, { as: VIEWER });
    const group = it.page.getByRole('group', { name: '*批量操作' });
    await expect(group.getByRole('button')).toHaveText(['主题模板', '导出']);
  });

  test('「批量创建」 creates what is good on the chosen broker, and tells of each bad line', async ({ console: it }) => {
    await it.open(`${LIST}?size=50`);
    const { page } = it;
    const [one, two] = [fresh(), fresh()];
    const open = page.getByRole('button', { name: '批量创建', exact: true });
    const dialog = page.getByRole('dialog', { name: '批量创建' });
    await open.click();
    await expect(dialog.getByText('将创建在全部Broker')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await page.getByRole('search').getByLabel('Broker').click();
    await page.locator('.ant-select-item-option', { hasText: /^b$/ }).click();
    await page.getByRole('button', { name: '查询' }).click();
    await open.click();
    await expect(dialog.getByText('将创建在Broker：b')).toBeVisible();

    const text = `${HEADER}${one},FALSE,10,6,\r\na b,FALSE,1,6,\r\n${two},TRUE,8,4,\r\n${one},FALSE,10,6,\r\nbad,FALSE,0,6,\r\n`;
    const buffer = Buffer.from(text);
    await dialog.locator('input[type=file]').setInputFiles({ name: 'topics.csv', mimeType: 'text/csv', buffer });
    await expect(dialog.getByText('共 5 行：可创建 2 个，有误 3 行')).toBeVisible();
    const bad = dialog.getByRole('region', { name: '有误的行' }).locator('tbody tr.ant-table-row');
    await expect(bad.locator('td:first-child')).toHaveText(['3', '5', '6']);
    await expect(bad.nth(2)).toContainText('队列数');
    await dialog.getByRole('button', { name: '开始创建' }).click();
    await expect(dialog.getByText('已创建 2 个，失败 3 行')).toBeVisible();
    await expect(bad).toHaveCount(3);
    await dialog.locator('.ant-modal-footer').getByRole('button', { name: '关闭', exact: true }).click();
    await expect(rowOf(it, one, 'b')).toContainText('10');
    await expect(rowOf(it, two, 'b')).toContainText('只读');
    await expect(rowOf(it, two, 'b')).toContainText('有序');
    await it.go(`${LIST}?size=50`);
    await expect(rowOf(it, one, 'b')).toBeVisible();
    await expect(rowOf(it, one, 'a')).toHaveCount(0);
  });

  test('「主题模板」 and 「导出」 give files: ticked topics, else all', async ({ console: it }) => {
    await it.open(`${LIST}?size=50`);
    const { page } = it;
    await expect(rowOf(it, 'orders')).toBeVisible();
    const saved = async (click: () => Promise<void>) => {
      const [download] = await Promise.all([page.waitForEvent('download'), click()]);
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    };
    const template = await saved(() => page.getByRole('button', { name: '主题模板', exact: true }).click());
    expect(template.name).toBe('topics-template.csv');
    expect(template.bytes.toString()).toContain('Topic名称,是否有序,队列数,读写权限,备注');
    const lines = async () => {
      const { bytes } = await saved(async () => {
        await page.getByRole('button', { name: '导出', exact: true }).click();
        await page.getByRole('menuitem', { name: 'CSV' }).click();
      });
      const [head = '', ...rest] = bytes.toString().replace('\ufeff', '').trim().split('\r\n');
      expect(head).toBe('topic名称,queue数量,读写权限,broker名称,broker IP,集群名称,是否有序');
      return rest.map((line) => line.split(',')[0]);
    };
    expect(await lines()).toEqual(expect.arrayContaining(['orders', 'payments', 'invoices']));
    await rowOf(it, 'orders').getByRole('checkbox').check();
    expect(await lines()).toEqual(['orders', 'orders']);
  });

  for (const language of LANGUAGES) {
    test(`「批量创建」 can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(LIST, { language });
      await it.page.getByRole('group').getByRole('button').first().click();
      await expect(it.page.getByRole('dialog')).toBeVisible();
      await it.accessible();
      await it.shot('topics-import', language);
    });
  }
});
