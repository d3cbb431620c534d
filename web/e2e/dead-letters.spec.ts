import { DEAD_LETTERS } from './beyond';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { DIALOG, TABLE } from './guide';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

const { title, actions, redrive } = DEAD_LETTERS;
const at = (group: string) => `/i/demo/dead-letters?group=${group}`;
const rows = (it: Console) => it.table(title).locator('tbody tr.ant-table-row');

test.describe('死信', () => {
  test('has its filters, columns and actions', async ({ console: it }) => {
    await it.open('/i/demo/dead-letters');
    await expect(it.page.locator('main h1')).toHaveText(title);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...DEAD_LETTERS.filters]);
    await it.page.getByRole('search').getByRole('button', { name: '查询' }).click();
    await expect(it.page.getByText('请选择订阅组', { exact: true })).toBeVisible();
    await it.page.getByRole('combobox', { name: '订阅组名' }).click();
    await it.page.getByTitle('fragile', { exact: true }).click();
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(rows(it)).toHaveCount(3);
    await expect(it.page.getByText('共 3 条死信')).toBeVisible();
    expect(await it.columns(title)).toEqual([...DEAD_LETTERS.columns]);
    for (const name of [actions.all, actions.ticked(0), actions.purge]) {
      await expect(it.page.getByRole('button', { name, exact: true })).toBeVisible();
    }
    await expect(it.page).toHaveURL(/group=fragile/);
    await expect(it.table(title).getByText(TABLE.footer(1, 1, 3))).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(at('fragile'), { language });
      await expect(it.page.getByText('invoice-0', { exact: true })).toBeVisible();
      await it.accessible();
      await it.shot('dead-letters', language);
      await it.page.getByRole('button', { name: language === 'zh' ? '全部重投' : 'Redrive all' }).click();
      await expect(it.page.getByRole('dialog')).toBeVisible();
      await it.accessible();
      await it.shot('dead-letters-redrive', language);
      await it.page.keyboard.press('Escape');
      await expect(it.page.getByRole('dialog')).toHaveCount(0);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('dead-letters-390', language);
    });
  }

  test('shows a body as text, laid out and byte by byte', async ({ console: it }) => {
    await new Traffic(it.service).deadLetters('bodies-dead', ['{"price":7}', 'x<b>y</b>']);
    await it.open(at('bodies-dead'));
    await rows(it).filter({ hasText: 'bodies-dead-0' }).getByRole('button', { name: actions.view }).click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.locator('pre')).toHaveText('{\n  "price": 7\n}');
    await dialog.getByText('文本', { exact: true }).click();
    await expect(dialog.locator('pre')).toHaveText('{"price":7}');
    await dialog.getByText('十六进制', { exact: true }).click();
    await expect(dialog.locator('pre')).toContainText('7b 22 70 72 69 63 65');
    await it.accessible();
    await it.shot('dead-letters-body', 'zh');
    await it.page.keyboard.press('Escape');
    await rows(it).filter({ hasText: 'bodies-dead-1' }).getByRole('button', { name: actions.view }).click();
    await expect(dialog.locator('pre')).toHaveText('x<b>y</b>');
  });

  test('is filtered by tag and by the original topic, and tells a bad filter', async ({ console: it }) => {
    await new Traffic(it.service).deadLetters('tagged-dead', ['a', 'b', 'c']);
    await it.open(`${at('tagged-dead')}&tags=odd`);
    await expect(rows(it)).toHaveCount(1);
    await it.go(`${at('tagged-dead')}&origin=nothing`);
    await expect(it.table(title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    await it.go(`${at('tagged-dead')}&tags=${encodeURIComponent('a | b')}`);
    await expect(it.table(title).getByRole('alert')).toContainText('filter');
  });

  test('ticked ones go back to their group', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.deadLetters('ticked-dead', ['first', 'second', 'third']);
    await it.open(at('ticked-dead'));
    await expect(it.page.getByRole('button', { name: actions.ticked(0), exact: true })).toBeDisabled();
    for (const key of ['ticked-dead-0', 'ticked-dead-2']) {
      await rows(it).filter({ hasText: key }).getByRole('checkbox').check();
    }
    await it.page.getByRole('button', { name: actions.ticked(2), exact: true }).click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.getByText(redrive.title)).toBeVisible();
    await dialog.getByRole('button', { name: redrive.ok, exact: true }).click();
    await expect(it.page.getByText('已重投 2 条', { exact: true })).toBeVisible();
    await expect(dialog).toHaveCount(0);
    const got: string[] = [];
    while (got.length < 2) {
      got.push(...(await traffic.receive('ticked-dead', 'ticked-dead')).map(({ body }) => body));
    }
    expect(got.sort()).toEqual(['first', 'third']);
  });

  test('all go to the topic at a rate, and a bad rate goes nowhere', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.deadLetters('all-dead', ['a', 'b']);
    await traffic.group('all-dead-other', { start: 'latest' });
    await traffic.receive('all-dead-other', 'all-dead', 1, 0);
    let calls = 0;
    it.page.on('request', (request) => (calls += request.url().endsWith('/redrive') ? 1 : 0));
    await it.open(at('all-dead'));
    await it.page.getByRole('button', { name: actions.all, exact: true }).click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.locator('.ant-form-item-label label')).toHaveText([...redrive.fields]);
    const rate = dialog.getByRole('spinbutton', { name: '速率（条/秒）' });
    await rate.fill('20000');
    await dialog.getByRole('spinbutton', { name: '最多条数' }).fill('0');
    await dialog.getByRole('button', { name: redrive.ok, exact: true }).click();
    await expect(dialog.getByText('请输入 0.1 到 10000 之间的数字')).toBeVisible();
    await expect(dialog.getByText('请输入不小于 1 的整数')).toBeVisible();
    expect(calls).toBe(0);
    await rate.fill('10');
    await dialog.getByRole('spinbutton', { name: '最多条数' }).fill('');
    await dialog.getByText(redrive.targets[0]).click();
    await rate.press('Enter');
    await expect(it.page.getByText('已重投 2 条', { exact: true })).toBeVisible();
    const got = new Set<string>();
    while (got.size < 2) {
      (await traffic.receive('all-dead-other', 'all-dead')).forEach(({ body }) => got.add(body));
    }
  });

  test('are removed when the name of the group was typed', async ({ console: it }) => {
    await new Traffic(it.service).deadLetters('purged-dead', ['a', 'b']);
    await it.open(at('purged-dead'));
    await expect(rows(it)).toHaveCount(2);
    await it.page.getByRole('button', { name: actions.purge, exact: true }).click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.getByText(DIALOG.note)).toBeVisible();
    await expect(dialog.getByRole('button', { name: DIALOG.confirm })).toBeDisabled();
    await dialog.getByRole('textbox').fill('purged-dead');
    await dialog.getByRole('textbox').press('Enter');
    await expect(it.page.getByText('已删除 2 条')).toBeVisible();
    await expect(it.table(title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('a viewer looks, and does nothing', async ({ console: it }) => {
    await it.open(at('fragile'), { as: VIEWER });
    await expect(rows(it)).toHaveCount(3);
    await expect(rows(it).first().getByRole('button', { name: actions.view })).toBeVisible();
    for (const name of [actions.all, actions.purge]) {
      await expect(it.page.getByRole('button', { name, exact: true })).toHaveCount(0);
    }
    await expect(rows(it).getByRole('checkbox')).toHaveCount(0);
  });

  test('a failure is told, and tried again', async ({ console: it }) => {
    await it.page.route('**/peek?*', (route) => route.fulfill({ status: 503, json: { error: { code: 'OVERLOADED', message: 'too much' } } }));
    await it.open(at('fragile'));
    await expect(it.table(title).getByText('too much')).toBeVisible();
    await it.page.unroute('**/peek?*');
    await it.table(title).getByRole('button', { name: '重试' }).click();
    await expect(rows(it)).toHaveCount(3);
  });
});
