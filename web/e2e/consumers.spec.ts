import { receive, send } from './clients';
import { expect, LANGUAGES, test } from './fixtures';
import { CONSUMERS, TABLE } from './guide';
import { VIEWER } from './seed';

const PATH = '/i/demo/consumers';
const [depth, instances] = CONSUMERS.actions;

test.describe('S-22 6.8 消费者实例查询', () => {
  test('has the filters, columns and actions of the guide, and who receives now', async ({ console: it, service }) => {
    await it.open(PATH, { as: VIEWER });
    for (const consumerId of ['one', 'two']) {
      await receive(service, 'workers', 'orders', { consumerId });
    }
    await it.page.getByRole('button', { name: '刷新' }).click();
    await expect(it.page.locator('main h1')).toHaveText(CONSUMERS.title);
    await expect(it.page.getByRole('menuitem', { name: CONSUMERS.menu })).toHaveClass(/selected/);
    const row = it.table(CONSUMERS.title).getByRole('row').filter({ hasText: 'workers' });
    await expect(row.getByText('orders', { exact: true })).toBeVisible();
    expect(Number(await row.getByRole('cell').nth(2).innerText())).toBeGreaterThanOrEqual(2);
    expect(await it.columns(CONSUMERS.title)).toEqual([...CONSUMERS.columns]);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...CONSUMERS.filters]);
    await expect(it.page.getByPlaceholder(CONSUMERS.hint)).toBeVisible();

    await row.getByRole('button', { name: instances, exact: true }).click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.getByText(CONSUMERS.instances.title, { exact: true })).toBeVisible();
    const client = it.table(CONSUMERS.instances.title).getByRole('row').filter({ hasText: 'two' });
    for (const text of ['SPEC', '1.2.3', 'CONSUME_ACTIVELY', 'CLUSTERING', 'CONSUME_FROM_FIRST_OFFSET']) {
      await expect(client.getByText(text, { exact: true })).toBeVisible();
    }
    expect(await it.columns(CONSUMERS.instances.title)).toEqual([...CONSUMERS.instances.columns]);
    await it.accessible();
    await it.shot('consumers-instances', 'zh');
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);

    await it.page.getByLabel(CONSUMERS.filters[2]).fill('ork');
    await it.page.keyboard.press('Enter');
    await expect(row).toBeVisible();
    await it.page.getByLabel(CONSUMERS.filters[2]).fill('nobody');
    await it.page.keyboard.press('Enter');
    await expect(it.table(CONSUMERS.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('「堆积量」 has the columns of the guide, for the topic and for retries', async ({ console: it, service }) => {
    await send(service, 'audit-trail', { body: 'x' });
    await send(service, 'audit-trail', { body: 'y' });
    await it.open(PATH);
    await receive(service, 'auditors', 'audit-trail', { consumerId: 'depth-1' });
    await it.page.getByRole('button', { name: '刷新' }).click();
    const row = it.table(CONSUMERS.title).getByRole('row').filter({ hasText: 'audit-trail' });
    await row.getByRole('button', { name: depth, exact: true }).click();
    const { title, columns } = CONSUMERS.depth;
    await expect(it.page.getByRole('dialog').getByText(title, { exact: true })).toBeVisible();
    const table = it.table(title);
    await expect(table.getByText('%RETRY%auditors')).toBeVisible();
    expect(await it.columns(title)).toEqual([...columns]);
    const cells = await table.getByRole('row').filter({ hasText: 'audit-trail' }).getByRole('cell').allInnerTexts();
    const cell = (name: (typeof columns)[number]) => cells[columns.indexOf(name)];
    expect(Number(cell('未消费'))).toBe(Number(cell('消息总量')) - Number(cell('消费总量')));
    expect(cell('未签收消息数')).toBe('1');
    expect(cell('TPS')).toMatch(/^\d+\.\d{3}$/);
    await it.accessible();
    await it.shot('consumers-depth', 'zh');
  });

  test('members that want different things are told apart from others', async ({ console: it, service }) => {
    await it.open(PATH);
    await receive(service, 'ledger', 'payments', { consumerId: 'all' });
    await receive(service, 'ledger', 'payments', { consumerId: 'some', filter: { expression: 'paid' } });
    await receive(service, 'workers', 'orders', { consumerId: 'one' });
    await it.page.getByRole('button', { name: '刷新' }).click();
    const row = (group: string) => it.table(CONSUMERS.title).getByRole('row').filter({ hasText: group });
    await expect(row('ledger').getByText('订阅不一致')).toBeVisible();
    await expect(row('workers')).toBeVisible();
    await expect(row('workers').getByText('订阅不一致')).toHaveCount(0);
    await row('ledger').getByRole('button', { name: instances, exact: true }).click();
    await expect(it.page.getByRole('dialog').getByRole('alert')).toBeVisible();
    const member = it.table(CONSUMERS.instances.title).getByRole('row').filter({ hasText: 'some' });
    await member.getByRole('button').first().click();
    await expect(it.page.getByText('订阅: payments (paid)')).toBeVisible();
    await it.accessible();
    await it.shot('consumers-inconsistent', 'zh');
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it, service }) => {
      await receive(service, 'workers', 'orders', { consumerId: 'one' });
      await it.open(PATH, { language });
      await expect(it.page.getByText('workers', { exact: true }).first()).toBeVisible();
      await it.accessible();
      await it.shot('consumers', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('consumers-390', language);
    });
  }
});
