import { readFileSync } from 'node:fs';
import { expect, LANGUAGES, test } from './fixtures';
import { AUDIT } from './guide/operation';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

test.describe('审计日志', () => {
  test('lists what was done, with its details', async ({ console: it }) => {
    await it.open('/audit', { as: VIEWER });
    const { page } = it;
    const table = it.table(AUDIT.title);
    const row = table.getByRole('row').filter({ hasText: 'alice' }).first();
    await expect(row).toContainText('consoleUser.create');
    expect(await it.columns(AUDIT.title)).toEqual([...AUDIT.columns]);
    for (const label of AUDIT.filters) {
      await expect(page.getByRole('search').locator('label', { hasText: new RegExp(`^${label}$`) })).toBeVisible();
    }
    // A viewer sees nothing of other tenants, and may not choose one.
    await expect(page.getByRole('search').getByText(AUDIT.tenant, { exact: true })).toHaveCount(0);
    await expect(table.getByText('bootstrap.apply')).toHaveCount(0);
    await row.getByText('查看').click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('"role": "admin"')).toBeVisible();
    await it.accessible();
    await it.shot('audit-detail', 'zh');
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
  });

  test('filters by who, what, outcome, instance and tenant', async ({ console: it }) => {
    test.setTimeout(180_000);
    const { page } = it;
    await denied(it.service.api);
    await it.open('/audit', { as: OPERATOR });
    const table = it.table(AUDIT.title);
    await expect(table.getByText('bootstrap.apply')).toBeVisible();
    expect(await it.columns(AUDIT.title)).toEqual([AUDIT.columns[0], AUDIT.tenant, ...AUDIT.columns.slice(1)]);
    const search = () => page.getByRole('button', { name: '查询' }).click();
    const bar = page.getByRole('search');

    await bar.getByLabel('操作', { exact: true }).fill('bootstrap.apply');
    await search();
    await expect(table.getByText('consoleUser.create')).toHaveCount(0);
    await expect(table.getByText('bootstrap.apply')).toBeVisible();
    await bar.getByLabel('操作者').fill('nobody');
    await search();
    await expect(table.locator('.ant-empty-description')).toBeVisible();
    await bar.getByLabel('操作者').fill('');
    await bar.getByLabel('操作', { exact: true }).fill('');
    await bar.getByLabel('结果').click();
    await page.getByTitle('拒绝', { exact: true }).click();
    const refused = table.getByRole('row').filter({ hasText: 'console:2/victor' }).first();
    // Refusals are written about once a minute.
    await expect(async () => {
      await search();
      await expect(refused.getByText('拒绝')).toBeVisible({ timeout: 2000 });
    }).toPass({ timeout: 90_000 });
    await expect(refused).toContainText('POST /v1/tenants/2/users');
    await expect(table.getByText('成功')).toHaveCount(0);

    await page.goto(it.url('/audit?tenant=2'));
    await expect(table.getByText('consoleUser.create').first()).toBeVisible();
    await expect(table.getByText('bootstrap.apply')).toHaveCount(0);
    await bar.getByLabel('实例').click();
    await page.getByTitle('archive', { exact: true }).click();
    await search();
    await expect(table.locator('.ant-empty-description')).toBeVisible();
  });

  test('exports what the filter finds as CSV', async ({ console: it }) => {
    await it.open('/audit', { as: ADMIN });
    const { page } = it;
    await page.getByRole('search').getByLabel('操作', { exact: true }).fill('consoleUser.create');
    await page.getByRole('button', { name: '查询' }).click();
    const table = it.table(AUDIT.title);
    await expect(table.getByText('victor')).toBeVisible();
    await expect(page.getByText('共 2 条记录', { exact: true })).toBeVisible();
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: AUDIT.export }).click();
    const text = readFileSync(await (await coming).path(), 'utf8');
    const lines = text.trim().split('\r\n');
    expect(lines[0]).toBe('id,at,tenant,caller,action,object,requestId,detail');
    expect(lines).toHaveLength(3);
    await expect(page.getByText('导出完成')).toBeVisible();
  });

  test('an export that fails says so and can be tried again', async ({ console: it }) => {
    await it.open('/audit', { as: ADMIN });
    const { page } = it;
    await expect(it.table(AUDIT.title).getByText('victor')).toBeVisible();
    const isExport = (url: URL) => url.pathname === '/v1/audit' && url.searchParams.get('max') === '500';
    const body = { error: { code: 'OVERLOADED', message: 'too much to do', requestId: 'r', retryable: true } };
    await page.route(isExport, (route) => route.fulfill({ status: 503, json: body }));
    await page.getByRole('button', { name: AUDIT.export }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('too much to do')).toBeVisible();
    await it.accessible();
    await it.shot('audit-export', 'zh');
    await page.unroute(isExport);
    const coming = page.waitForEvent('download');
    await dialog.getByRole('button', { name: '重试' }).click();
    await coming;
    await expect(dialog).toHaveCount(0);
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/audit', { as: OPERATOR, language });
      await expect(it.page.getByText('bootstrap.apply')).toBeVisible();
      await it.accessible();
      await it.shot('audit', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('audit-390', language);
    });
  }
});

/** A viewer who wants to make a console user. */
async function denied(api: string): Promise<void> {
  const post = (path: string, body: object, authorization = '') =>
    fetch(api + path, { method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(body) });
  const login = await post('/v1/auth/login', { tenant: 2, username: VIEWER.username, password: VIEWER.password });
  const { token } = (await login.json()) as { token: string };
  const answer = await post('/v1/tenants/2/users', { username: 'eve', password: 'long-enough', role: 'admin' }, `Bearer ${token}`);
  expect(answer.status).toBe(403);
}
