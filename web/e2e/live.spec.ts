import { LIVE } from './beyond';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { TABLE } from './guide';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

const { title, actions } = LIVE;
const rows = (it: Console) => it.table(title).locator('tbody tr.ant-table-row');

test.describe('实时消息', () => {
  test('has its filters, columns and actions', async ({ console: it }) => {
    await it.open('/i/demo/live');
    await expect(it.page.locator('main h1')).toHaveText(title);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...LIVE.filters]);
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(it.page.getByText('请选择主题', { exact: true })).toBeVisible();
    await it.page.getByRole('combobox', { name: '主题' }).click();
    await it.page.getByTitle('invoices', { exact: true }).click();
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(rows(it).first()).toBeVisible();
    expect(await it.columns(title)).toEqual([...LIVE.columns]);
    for (const name of [actions.pause, actions.clear]) {
      await expect(it.page.getByRole('button', { name, exact: true })).toBeVisible();
    }
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/i/demo/live?topic=orders', { language });
      await expect(it.page.locator('tbody tr.ant-table-row').first()).toBeVisible();
      await it.accessible();
      await it.shot('live', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('live-390', language);
    });
  }

  test('shows what comes, newest first, and no group notices', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.topic('live-a');
    await traffic.group('live-a');
    await it.open('/i/demo/live?topic=live-a', { as: VIEWER });
    await expect(it.table(title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    await traffic.send('live-a', [{ body: 'one' }, { body: 'two' }]);
    await expect(rows(it)).toHaveCount(2);
    await traffic.send('live-a', [{ body: 'three' }]);
    await expect(rows(it).first()).toContainText('three');
    await expect(rows(it)).toHaveCount(3);
    const { items } = await traffic.call<{ items: object[] }>('GET', '/sessions?topic=live-a&kind=consumer');
    expect(items).toEqual([]);
    const got = await traffic.receive('live-a', 'live-a');
    expect(got.map(({ body, attempt }) => [body, attempt])).toEqual([['one', 1], ['two', 1], ['three', 1]]);
  });

  test('stands still while it is paused, and loses nothing', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.topic('live-b');
    await traffic.send('live-b', [{ body: 'before' }]);
    await it.open('/i/demo/live?topic=live-b');
    await expect(rows(it)).toHaveCount(1);
    await it.page.getByRole('button', { name: actions.pause, exact: true }).click();
    let looked = 0;
    it.page.on('request', (request) => (looked += request.url().includes('/peek') ? 1 : 0));
    await traffic.send('live-b', [{ body: 'meanwhile' }]);
    await expect(it.table(title).getByText('已暂停', { exact: true })).toBeVisible();
    // Longer than a turn takes.
    await it.page.waitForTimeout(2500);
    expect(looked).toBe(0);
    await it.page.getByRole('button', { name: actions.resume, exact: true }).click();
    await expect(rows(it)).toHaveCount(2);
    await it.page.getByRole('button', { name: actions.clear, exact: true }).click();
    await expect(rows(it)).toHaveCount(0);
  });

  test('shows what a filter lets through, and tells one that is none', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.topic('live-c');
    await traffic.send('live-c', [{ body: 'small', properties: { size: '5' } }, { body: 'large', properties: { size: '50' } }]);
    await it.open(`/i/demo/live?topic=live-c&filterType=SQL92&filter=${encodeURIComponent('size > 10')}`);
    await expect(rows(it)).toHaveCount(1);
    await expect(rows(it)).toContainText('large');
    await it.page.getByLabel('过滤表达式').fill('size >');
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(it.table(title).getByRole('alert')).toContainText('filter');
    await expect(it.table(title).getByText('重试中')).toBeVisible();
  });

  test('a body is looked at', async ({ console: it }) => {
    await it.open('/i/demo/live?topic=invoices');
    await rows(it).first().getByRole('button', { name: actions.view }).click();
    await expect(it.page.getByRole('dialog').locator('pre')).toContainText('"name": "invoice"');
    await it.accessible();
  });

  test('can be used in the dark', async ({ console: it }) => {
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open('/i/demo/live?topic=orders');
    await expect(it.page.locator('tbody tr.ant-table-row').first()).toBeVisible();
    await it.accessible();
    await it.shot('live-dark', 'zh');
  });
});
