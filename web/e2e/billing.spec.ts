import { readFileSync } from 'node:fs';
import { expect, LANGUAGES, test } from './fixtures';
import { BILLING } from './guide/operation';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

/** The meter writes about once a minute. */
const METER_MS = 90_000;

test.describe('用量与账单', () => {
  test('shows what an instance used by hour, day and topic', async ({ console: it }) => {
    test.setTimeout(180_000);
    await it.open('/billing', { as: VIEWER });
    const { page } = it;
    await expect(page.locator('main h1')).toHaveText(BILLING.title);
    await expect(page.getByRole('tab')).toHaveText([...BILLING.tabs]);
    await page.getByLabel('实例', { exact: true }).click();
    await page.getByTitle('demo', { exact: true }).click();
    await page.getByRole('button', { name: '查询' }).click();
    // Forty orders, twelve payments, seven invoices and one each of two others were sent.
    await expect(page.getByRole('row', { name: /生产消息数 6\d/ }).first()).toBeVisible({ timeout: METER_MS });
    const table = it.table(BILLING.usage.name);
    await expect(table.getByRole('cell', { name: /^6\d$/ }).first()).toBeVisible();
    expect(await it.columns(BILLING.usage.name)).toEqual([...BILLING.usage.columns]);
    for (const chart of ['消息数', /^流量\(/, /^存储\(/]) {
      await expect(page.getByRole('img', { name: chart })).toBeVisible();
    }
    await it.accessible();
    await it.shot('billing', 'zh');

    const by = async (name: string) => {
      await page.getByLabel('统计方式').click();
      await page.getByTitle(name, { exact: true }).click();
      await page.getByRole('button', { name: '查询' }).click();
    };
    await by('按Topic');
    const orders = table.getByRole('row').filter({ hasText: 'orders' });
    await expect(orders.getByRole('cell', { name: '40', exact: true }).first()).toBeVisible();
    expect((await it.columns(BILLING.usage.name)).slice(0, 2)).toEqual([BILLING.usage.topic, '消息占比']);
    await it.accessible();
    await it.shot('billing-topics', 'zh');
    await by('按天');
    await expect(table.getByRole('cell', { name: /^\d{4}-\d\d-\d\d$/ }).first()).toBeVisible();

    // More than a year by the hour is said before it is asked.
    await by('按小时');
    const [from, to] = [page.locator('.ant-picker-input input').first(), page.locator('.ant-picker-input input').last()];
    await from.click();
    await from.fill('2020-01-01 00:00');
    await from.press('Enter');
    await to.fill('2026-01-01 00:00');
    await to.press('Enter');
    await page.getByRole('button', { name: '查询' }).click();
    await expect(page.getByText('按小时统计时最多 366 天')).toBeVisible();
  });

  test('shows, verifies, downloads and prints a bill', async ({ console: it }) => {
    await it.open('/billing?tab=bills', { as: ADMIN });
    const { page } = it;
    const table = it.table(BILLING.bill.name);
    const line = table.getByRole('row').filter({ hasText: '实例包月' }).filter({ hasText: 'demo' });
    await expect(line).toContainText('USD');
    expect(await it.columns(BILLING.bill.name)).toEqual([...BILLING.bill.columns]);
    for (const name of BILLING.bill.actions) {
      await expect(page.getByRole('button', { name })).toBeVisible();
    }
    await page.getByRole('button', { name: '核对' }).click();
    await expect(page.getByText('账单与用量事件一致')).toBeVisible();
    await it.accessible();
    await it.shot('billing-bill', 'zh');

    const download = async (name: string) => {
      const coming = page.waitForEvent('download');
      await page.getByRole('button', { name }).click();
      const file = await coming;
      return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
    };
    const json = await download('下载JSON');
    expect(json.name).toMatch(/^bill-2-\d{4}-\d\d\.json$/);
    const bill = JSON.parse(json.text) as { tenantId: number; total: string };
    expect(bill.tenantId).toBe(2);
    const csv = await download('下载CSV');
    expect(csv.name).toMatch(/\.csv$/);
    expect(csv.text.split('\r\n')[0]).toMatch(/^tenant,month,closed,.*amount_usd$/);

    await page.getByRole('button', { name: '打印' }).click();
    await expect(page.locator('main h1')).toHaveText(/^租户 2 \d{4}-\d\d 账单$/);
    await expect(page.locator('tfoot')).toContainText('USD');
    await it.accessible();
    await page.emulateMedia({ media: 'print' });
    await expect(page.getByRole('menu')).toBeHidden();
    await expect(page.getByText('返回账单')).toBeHidden();
    await it.shot('billing-print', 'zh');
    await page.emulateMedia({ media: 'screen' });
    await page.getByText('返回账单').click();
    await expect(line).toBeVisible();
  });

  test('the operator chooses the tenant', async ({ console: it }) => {
    await it.open('/billing', { as: OPERATOR });
    const { page } = it;
    await expect(page.getByText('请先选择租户')).toBeVisible();
    await page.getByLabel('租户', { exact: true }).click();
    await page.getByTitle('acme (2)').click();
    await expect(page.getByRole('tab', { name: '账单' })).toBeVisible();
    await page.getByRole('tab', { name: '账单' }).click();
    await expect(it.table(BILLING.bill.name).getByText('demo', { exact: true }).first()).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/billing?tab=bills', { as: VIEWER, language });
      await expect(it.page.getByText('demo', { exact: true }).first()).toBeVisible();
      await it.accessible();
      await it.shot('billing-bills', language);
      await it.page.getByRole('tab').first().click();
      await expect(it.page.locator('.guide-table')).toBeVisible();
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('billing-390', language);
    });
  }
});
