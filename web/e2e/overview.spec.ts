import { expect, LANGUAGES, test, type Console } from './fixtures';
import { OVERVIEW, TABLE } from './guide';
import { INSTANCE, VIEWER } from './seed';

const PATH = `/i/${INSTANCE}/overview`;
const BASE = '当前集群统计信息';
const [TPS, BACKLOG, STORED] = OVERVIEW.tabs;
const BACKLOG_COLUMNS = ['主题名', '未消费', '未签收消息数', '订阅组数', '堆积最多的订阅组', '最长未消费时间(毫秒)'];
const STORED_COLUMNS = ['主题名', '当前消息数', '历史消息数', '24小时生产消息数'];

/** The texts of one column, from above. */
async function column(it: Console, table: string, at: number): Promise<string[]> {
  const rows = await it.table(table).locator('tbody tr.ant-table-row').all();
  return Promise.all(rows.map((row) => row.locator('td').nth(at).innerText()));
}

/** A day of two brokers, instead of the minutes that the service has seen. */
async function curve(it: Console, rates: (at: number) => { inTPS: number; outTPS: number }): Promise<void> {
  const step = OVERVIEW.stepMinutes * 60_000;
  const first = Date.UTC(2026, 0, 1);
  const rows = Array.from({ length: 1440 }, (_, at) => ({ ...rates(at), crtTime: first + Math.floor(at / 2) * step }));
  await it.page.route('**/api/manager/cluster/*/tps*', (route) =>
    route.fulfill({ json: { code: 200, message: 'success', result: { total: rows.length, rows } } }),
  );
}

const tab = (it: Console, name: string) => it.page.getByRole('tab', { name, exact: true });

test.describe('S-22 6.2 概览', () => {
  test('has the fields of C1 and the tabs of the guide', async ({ console: it }) => {
    await it.open(PATH);
    await expect(it.page.locator('main h1')).toHaveText(OVERVIEW.title);
    await expect(it.table(BASE).locator('tbody').getByText(INSTANCE, { exact: true })).toBeVisible();
    expect(await it.columns(BASE)).toEqual([...OVERVIEW.columns]);
    const [brokers] = await column(it, BASE, 0);
    const [replicas] = await column(it, BASE, 1);
    const [history] = await column(it, BASE, 4);
    const [stored] = await column(it, BASE, 5);
    expect([brokers, replicas]).toEqual(['2', '0']);
    // 40 orders, 12 payments, 7 invoices, and what is set apart.
    expect(Number(history)).toBeGreaterThanOrEqual(59);
    expect(Number(stored)).toBeGreaterThanOrEqual(59);
    expect(await it.page.getByRole('tab').allInnerTexts()).toEqual([...OVERVIEW.tabs]);
    await expect(tab(it, TPS)).toHaveAttribute('aria-selected', 'true');
  });

  test('「TPS监控」 draws the points of C3, brokers added up', async ({ console: it }) => {
    await curve(it, (at) => ({ inTPS: at % 2 === 0 ? 1.5 : 2, outTPS: at === 100 ? 7 : 0.25 }));
    await it.open(PATH);
    await expect(it.page.getByText('生产TPS：当前 3.500，24小时峰值 3.500；消费TPS：当前 0.500，24小时峰值 7.250')).toBeVisible();
    const plot = it.page.getByRole('img', { name: '集群近24小时的生产与消费TPS' });
    await expect(plot.locator('canvas')).toBeVisible();
    const box = await plot.boundingBox();
    expect(box?.width ?? 0).toBeGreaterThan(800);
    expect(box?.height ?? 0).toBeGreaterThan(200);
    // Under the pointer the legend tells the numbers of the point, in the zone of the instance.
    await plot.locator('.u-over').hover();
    await expect(plot.locator('.u-legend')).toContainText('3.500');
    await expect(plot.locator('.u-legend')).toContainText(/2026-01-01 \d\d:\d\d:00/);
  });

  test('「全局堆积」 has the topics by their backlog', async ({ console: it }) => {
    await it.open(PATH);
    await tab(it, BACKLOG).click();
    await expect(it.table(BACKLOG).getByText('orders', { exact: true })).toBeVisible();
    expect(await it.columns(BACKLOG)).toEqual(BACKLOG_COLUMNS);
    const topics = await column(it, BACKLOG, 0);
    const lags = (await column(it, BACKLOG, 1)).map(Number);
    expect(topics[0]).toBe('orders');
    // 30 of the workers and 40 of the auditors; some of them are retries after a while.
    const mine = lags.filter((_, at) => ['orders', '%RETRY%workers', '%RETRY%auditors'].includes(topics[at] ?? ''));
    expect(mine.reduce((sum, lag) => sum + lag, 0)).toBe(70);
    expect(lags).toEqual([...lags].sort((a, b) => b - a));
    expect(lags).not.toContain(0);
    const row = it.table(BACKLOG).getByRole('row').filter({ hasText: 'orders' });
    await expect(row).toContainText(/auditors（(40|36)）/);
    await row.getByRole('link', { name: 'orders' }).click();
    await expect(it.page).toHaveURL(/\/i\/demo\/topics\/orders$/);
  });

  test('「全局堆积」 asks a few at a time, tells when it does not ask about all, and keeps it a minute', async ({ console: it }) => {
    const items = Array.from({ length: 205 }, (_, at) => ({ name: `g-${String(at).padStart(3, '0')}` }));
    let [running, most, asked] = [0, 0, 0];
    await it.page.route('**/v1/instances/*/groups?*', (route) => route.fulfill({ json: { items } }));
    await it.page.route('**/v1/instances/*/groups/*/lag', async (route) => {
      most = Math.max(most, ++running);
      const at = asked++;
      const topic = { topic: `topic-${at % 30}`, lag: at, inFlight: 0, oldestAgeMs: null, queues: [] };
      running--;
      await route.fulfill({ json: { group: `g-${at}`, lag: at, inFlight: 0, topics: [topic] } });
    });
    await it.open(PATH);
    await tab(it, BACKLOG).click();
    await expect(it.page.getByText('订阅组共 205 个，只统计了按名称排序的前 200 个')).toBeVisible();
    await expect(it.table(BACKLOG).getByText(TABLE.footer(1, 1, OVERVIEW.backlogMax))).toBeVisible();
    expect(asked).toBe(200);
    expect(most).toBeLessThanOrEqual(4);
    await tab(it, TPS).click();
    await tab(it, BACKLOG).click();
    await expect(it.table(BACKLOG).getByText(TABLE.footer(1, 1, OVERVIEW.backlogMax))).toBeVisible();
    expect(asked).toBe(200);
    await it.table(BACKLOG).getByRole('button', { name: '刷新' }).click();
    await expect.poll(() => asked).toBe(400);
  });

  test('「全局消息」 has the topics by their stored messages', async ({ console: it }) => {
    await it.open(`${PATH}?tab=stored`);
    await expect(it.table(STORED).getByText('orders', { exact: true })).toBeVisible();
    expect(await it.columns(STORED)).toEqual(STORED_COLUMNS);
    expect((await column(it, STORED, 0)).slice(0, 3)).toEqual(['orders', 'payments', 'invoices']);
    expect((await column(it, STORED, 1)).slice(0, 3)).toEqual(['40', '12', '7']);
    await expect(it.table(STORED).getByText(TABLE.footer(1, 1, 6))).toBeVisible();
  });

  test('a failure is told, and tried again', async ({ console: it }) => {
    const json = { code: 503, message: 'broker a is away', result: {} };
    await it.page.route('**/stats?*', (route) => route.fulfill({ status: 503, json }));
    await it.open(`${PATH}?tab=stored`);
    await expect(it.page.getByText('broker a is away')).toBeVisible();
    await it.page.unroute('**/stats?*');
    await it.page.getByRole('button', { name: '重试' }).click();
    await expect(it.table(STORED).getByText('orders', { exact: true })).toBeVisible();
    await expect(it.page.getByText('broker a is away')).toHaveCount(0);
  });

  test('an instance without topics has no data', async ({ console: it }) => {
    await it.open('/i/archive/overview?tab=backlog');
    await expect(it.table(BACKLOG).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    await tab(it, STORED).click();
    await expect(it.table(STORED).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('a viewer sees all of it', async ({ console: it }) => {
    await it.open(PATH, { as: VIEWER });
    await expect(it.table(BASE).locator('tbody').getByText(INSTANCE, { exact: true })).toBeVisible();
    await expect(it.page.locator('canvas')).toBeVisible();
    await tab(it, BACKLOG).click();
    await expect(it.table(BACKLOG).getByText('orders', { exact: true })).toBeVisible();
    await tab(it, STORED).click();
    await expect(it.table(STORED).getByText('orders', { exact: true })).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      const day = (at: number) => Math.sin((at / 1440) * 2 * Math.PI);
      await curve(it, (at) => ({ inTPS: 1200 + 900 * day(at), outTPS: 1100 + 700 * day(at - 120) + (at % 97) }));
      await it.open(PATH, { language });
      await expect(it.page.locator('canvas')).toBeVisible();
      await it.accessible();
      await it.shot('overview', language);
      for (const [at, name] of [[1, 'backlog'], [2, 'stored']] as const) {
        await it.page.getByRole('tab').nth(at).click();
        await expect(it.page.getByText('payments', { exact: true })).toBeVisible();
        await it.accessible();
        await it.shot(`overview-${name}`, language);
      }
      await it.page.getByRole('tab').nth(0).click();
      await it.page.getByRole('button', { name: language === 'zh' ? '深色模式' : 'Dark mode' }).click();
      await expect(it.page.locator('canvas')).toBeVisible();
      await it.accessible();
      await it.shot('overview-dark', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('overview-390', language);
    });
  }
});
