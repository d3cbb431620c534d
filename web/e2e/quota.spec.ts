import { QUOTA } from './beyond';
import { expect, LANGUAGES, test } from './fixtures';
import { TABLE } from './guide';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

const { limits, refused } = QUOTA;

test.describe('配额', () => {
  test('has every limit with its use', async ({ console: it }) => {
    await it.open('/i/demo/quota', { as: VIEWER });
    await expect(it.page.locator('main h1')).toHaveText(QUOTA.title);
    const table = it.table(limits.name);
    await expect(table.getByText('200 GiB')).toBeVisible();
    expect(await it.columns(limits.name)).toEqual([...limits.columns]);
    for (const name of limits.rows) {
      await expect(table.getByRole('cell', { name, exact: true })).toBeVisible();
    }
    const topics = table.getByRole('row').filter({ hasText: '主题数' });
    await expect(topics.getByRole('progressbar')).toBeVisible();
    await expect(topics.getByRole('cell').nth(2)).toHaveText('50');
    await expect(table.getByRole('row').filter({ hasText: '客户端连接数' }).getByText('不限')).toBeVisible();
    expect(await it.columns(refused.name)).toEqual([...refused.columns]);
  });

  test('says what was refused, why and how often', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await it.open('/i/demo/quota');
    await traffic.topic('narrow', 'normal', { tps: 1 });
    const sent = await traffic.send('narrow', Array.from({ length: 5 }, () => ({ body: 'x' })));
    const count = sent.results.filter(({ messageId }) => messageId === undefined).length;
    expect(count).toBeGreaterThan(0);
    await it.table(refused.name).getByRole('button', { name: '刷新' }).click();
    const row = it.table(refused.name).getByRole('row').filter({ hasText: '主题的 TPS 上限' });
    for (const text of ['topic', "topic 'narrow'", '1', String(count)]) {
      await expect(row.getByRole('cell', { name: text, exact: true }).first()).toBeVisible();
    }
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/i/demo/quota', { language });
      await expect(it.page.getByRole('progressbar').first()).toBeVisible();
      await it.accessible();
      await it.shot('quota', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('quota-390', language);
    });
  }

  test('nothing refused is said, and a limit that is met is marked', async ({ console: it }) => {
    const items = [
      { name: 'topics', max: 50, used: 50 },
      { name: 'connections', max: 10, used: 9 },
      { name: 'novelty', max: 10, used: 1 },
    ];
    await it.page.route('**/v1/instances/*/quota', (route) => route.fulfill({ json: { plan: 'basic', items, refused: [] } }));
    await it.open('/i/demo/quota');
    const table = it.table(limits.name);
    await expect(table.getByText('已达上限')).toBeVisible();
    await expect(table.getByText('接近上限')).toBeVisible();
    await expect(table.getByRole('cell', { name: 'novelty' })).toBeVisible();
    await expect(it.table(refused.name).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('can be used in the dark', async ({ console: it }) => {
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open('/i/demo/quota');
    await expect(it.page.locator('[role=progressbar]').first()).toBeVisible();
    await it.accessible();
    await it.shot('quota-dark', 'zh');
  });
});
