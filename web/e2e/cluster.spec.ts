import { receive, send } from './clients';
import { expect, LANGUAGES, test } from './fixtures';
import { CLUSTER } from './guide';
import { VIEWER } from './seed';

const PATH = '/i/demo/cluster';

test.describe('S-22 6.3 集群信息', () => {
  test('has the columns and actions of the guide, and a row for each broker', async ({ console: it }) => {
    await it.open(PATH, { as: VIEWER });
    await expect(it.page.locator('main h1')).toHaveText(CLUSTER.title);
    const table = it.table(CLUSTER.title);
    await expect(table.getByText('0(主)')).toHaveCount(2);
    expect(await it.columns(CLUSTER.title)).toEqual([...CLUSTER.columns]);
    const row = table.getByRole('row').filter({ hasText: '0(主)' }).first();
    for (const action of CLUSTER.actions) {
      await expect(row.getByText(action, { exact: true })).toBeVisible();
    }
    // Rates of the last minute, produced and consumed.
    await expect(row.getByText(/^\d+\.\d{3}$/)).toHaveCount(2);
    await expect(row.getByText(/^\d+\.\d+\.\d+\.\d+:\d+$/)).toBeVisible();
  });

  test('「信息」 has all keys in the order of the guide, and a value for each', async ({ console: it }) => {
    await it.open(PATH);
    await it.table(CLUSTER.title).getByRole('button', { name: CLUSTER.actions[0], exact: true }).first().click();
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.getByText('version', { exact: true })).toBeVisible();
    const titles = (await dialog.locator('thead').first().locator('th').allInnerTexts()).map((title) => title.trim());
    expect(titles.filter((title) => title !== '')).toEqual([...CLUSTER.info.columns]);
    const cells = await dialog.locator('tbody tr.ant-table-row td').allInnerTexts();
    expect(cells.filter((_, at) => at % 2 === 0)).toEqual([...CLUSTER.info.keys]);
    expect(cells.filter((cell, at) => at % 2 === 1 && /^(|-)$/.test(cell.trim()))).toEqual([]);
    const value = (key: string) => cells[cells.indexOf(key) + 1];
    expect(value('bootstrap time')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(value('commitLogDiskRatio')).toMatch(/^\d+\.\d%$/);
    await it.accessible();
    await it.shot('cluster-info', 'zh');
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
  });

  test('「详情」 has the head and the tabs of the guide', async ({ console: it, service }) => {
    await it.open(PATH);
    await it.table(CLUSTER.title).getByRole('link', { name: CLUSTER.actions[1], exact: true }).first().click();
    const { detail } = CLUSTER;
    await expect(it.page).toHaveURL(/\/i\/demo\/cluster\/a$/);
    await expect(it.page.locator('main h1')).toHaveText(detail.title);
    await expect(it.page.locator('.ant-descriptions-item-label').first()).toBeVisible();
    expect(await it.page.locator('.ant-descriptions-item-label').allInnerTexts()).toEqual([...detail.head]);
    await expect(it.page.getByText(/^\d+\.\d{3}%$/)).toBeVisible();
    expect(await it.page.getByRole('tab').allInnerTexts()).toEqual([...detail.tabs]);

    const [topics, tps, consumers, producers] = detail.tabs;
    await expect(it.table(topics).getByText('orders', { exact: true })).toBeVisible();
    expect(await it.columns(topics)).toEqual([...detail.topics]);
    const payments = it.table(topics).getByRole('row').filter({ hasText: 'payments' });
    await expect(payments.getByText('读写', { exact: true })).toBeVisible();
    await it.shot('cluster-broker', 'zh');

    await it.page.getByRole('tab', { name: tps }).click();
    await expect(it.page.getByRole('img', { name: /broker a/ }).locator('canvas')).toBeVisible();
    await it.accessible();
    await it.shot('cluster-broker-tps', 'zh');

    await receive(service, 'workers', 'orders', { consumerId: 'cluster-1' });
    await send(service, 'orders', { body: 'x' });
    await it.page.getByRole('tab', { name: consumers, exact: true }).click();
    await expect(it.table(consumers).getByRole('row').filter({ hasText: 'workers' }).getByText('orders')).toBeVisible();
    expect(await it.columns(consumers)).toEqual([...detail.consumers]);
    await it.page.getByRole('tab', { name: producers, exact: true }).click();
    await expect(it.table(producers).getByText('CLIENT_INNER_PRODUCER').first()).toBeVisible();
    expect(await it.columns(producers)).toEqual([...detail.producers]);
  });

  test('a broker that is not there is said not to be there', async ({ console: it }) => {
    await it.open(`${PATH}/zz`);
    await expect(it.page.getByText('Broker「zz」不存在')).toBeVisible();
  });

  test('what fails is told, and can be tried again', async ({ console: it }) => {
    await it.page.route('**/api/manager/cluster/detail*', (route) =>
      route.fulfill({ status: 503, json: { code: 503, message: 'the storage is away', result: {} } }),
    );
    await it.open(PATH);
    await expect(it.page.getByText('the storage is away')).toBeVisible();
    await it.page.unroute('**/api/manager/cluster/detail*');
    await it.page.getByRole('button', { name: '重试' }).click();
    await expect(it.table(CLUSTER.title).getByText('0(主)')).toHaveCount(2);
    await expect(it.page.getByText('the storage is away')).toHaveCount(0);
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(PATH, { language });
      await expect(it.page.getByText(/^0 ?\((主|master)\)$/)).toHaveCount(2);
      await it.accessible();
      await it.shot('cluster', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('cluster-390', language);
      await it.page.goto(it.url(`${PATH}/a`));
      await expect(it.page.locator('.ant-descriptions')).toBeVisible();
      await it.accessible();
      await it.shot('cluster-broker-390', language);
    });
  }
});
