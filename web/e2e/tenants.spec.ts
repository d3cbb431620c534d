import { readFileSync } from 'node:fs';
import { expect, LANGUAGES, test } from './fixtures';
import { DIALOG } from './guide';
import { TENANTS } from './guide/operation';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

test.describe('租户', () => {
  test('lists tenants with their instances', async ({ console: it }) => {
    await it.open('/tenants', { as: OPERATOR });
    await expect(it.page.locator('main h1')).toHaveText(TENANTS.title);
    const table = it.table(TENANTS.list.name);
    const row = table.getByRole('row').filter({ hasText: 'acme' });
    await expect(row.getByRole('cell', { name: '2', exact: true })).toHaveCount(2);
    expect(await it.columns(TENANTS.list.name)).toEqual([...TENANTS.list.columns]);
    for (const text of TENANTS.list.actions) {
      await expect(row.getByText(text, { exact: true })).toBeVisible();
    }
    await row.getByText('管理', { exact: true }).click();
    await expect(it.page.locator('main h1')).toHaveText('acme (2)');
    const instances = it.table(TENANTS.instances.name);
    await expect(instances.getByText('archive', { exact: true })).toBeVisible();
    expect(await it.columns(TENANTS.instances.name)).toEqual([...TENANTS.instances.columns]);
    await instances.getByRole('link', { name: 'demo' }).click();
    await expect(it.page).toHaveURL(/\/console\/i\/demo\/overview$/);
  });

  test('makes, renames and removes a tenant, and proves that its data is erased', async ({ console: it }) => {
    test.slow();
    await it.open('/tenants', { as: OPERATOR });
    const { page } = it;
    const dialog = page.getByRole('dialog');
    const table = it.table(TENANTS.list.name);
    const save = () => dialog.getByRole('button', { name: DIALOG.save }).click();

    await page.getByRole('button', { name: '新建租户' }).click();
    await save();
    await expect(dialog.getByText('1 到 9007199254740991 的整数')).toHaveCount(2);
    await dialog.getByLabel('租户Id').fill('2');
    await dialog.getByLabel('租户名').fill('not a name');
    await save();
    await expect(dialog.getByText('请输入字母、数字、下划线、横杠组合')).toBeVisible();
    await dialog.getByLabel('租户名').fill('umbrella');
    await save();
    await expect(dialog.getByRole('alert').filter({ hasText: 'ALREADY_EXISTS' })).toBeVisible();
    await dialog.getByLabel('租户Id').fill('7');
    await dialog.getByLabel('租户名').press('Enter');
    await expect(dialog).toHaveCount(0);

    const row = table.getByRole('row').filter({ hasText: 'umbrella' });
    await row.getByText('修改', { exact: true }).click();
    await expect(dialog.getByLabel('租户Id')).toBeDisabled();
    await dialog.getByLabel('租户名').fill('umbrella-2');
    await save();
    await expect(row.getByText('umbrella-2', { exact: true })).toBeVisible();

    await makeInstance(it.service.api, 7, 'short-lived');
    const confirm = dialog.getByRole('button', { name: DIALOG.confirm });
    await row.getByText('删除', { exact: true }).click();
    await expect(confirm).toBeDisabled();
    await dialog.getByRole('textbox').fill('umbrella');
    await expect(confirm).toBeDisabled();
    await dialog.getByRole('textbox').fill('umbrella-2');
    await confirm.click();
    await expect(dialog.getByText(/IN_USE/)).toBeVisible();
    await page.keyboard.press('Escape');

    await removeInstance(it.service.api, 'short-lived');
    await row.getByText('删除', { exact: true }).click();
    await dialog.getByRole('textbox').fill('umbrella-2');
    await dialog.getByRole('textbox').press('Enter');
    await expect(row).toHaveCount(0);

    await page.getByRole('tab', { name: TENANTS.tabs[1] }).click();
    const proof = it.table(TENANTS.removals.name);
    await expect(proof.getByRole('row').filter({ hasText: 'umbrella-2' }).getByText('已删除')).toBeVisible();
    const erased = proof.getByRole('row').filter({ hasText: 'short-lived' });
    await expect(erased.getByText('已擦除')).toBeVisible({ timeout: 60_000 });
    expect(await it.columns(TENANTS.removals.name)).toEqual([...TENANTS.removals.columns]);
    const coming = page.waitForEvent('download');
    await erased.getByText('下载证明').click();
    const rows = JSON.parse(readFileSync(await (await coming).path(), 'utf8')) as { action: string; tenant: number }[];
    expect(rows.map(({ action, tenant }) => [action, tenant])).toEqual([
      ['instance.delete', 7],
      ['instance.erased', 7],
    ]);
    await it.shot('tenants-removals', 'zh');

    await page.goto(it.url('/tenants/7'));
    await expect(page.getByText('租户 7 不存在')).toBeVisible();
    await expect(it.table(TENANTS.removals.name).getByText('short-lived')).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/tenants', { as: OPERATOR, language });
      await expect(it.page.getByRole('link', { name: 'acme' })).toBeVisible();
      await it.accessible();
      await it.shot('tenants', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('tenants-390', language);
      await it.page.setViewportSize({ width: 1280, height: 800 });
      await it.page.getByRole('link', { name: 'acme' }).click();
      await expect(it.page.getByRole('link', { name: 'archive' })).toBeVisible();
      await it.accessible();
      await it.shot('tenant', language);
    });
  }

  for (const as of [ADMIN, VIEWER]) {
    test(`is not for ${as.username}`, async ({ console: it }) => {
      await it.open('/tenants', { as });
      await expect(it.page.getByText('无权访问')).toBeVisible();
      await expect(it.page.getByRole('menuitem', { name: TENANTS.title, exact: true })).toHaveCount(0);
    });
  }
});

async function asOperator(api: string, method: string, path: string, body?: object): Promise<void> {
  const send = (url: string, verb: string, content: object | undefined, token?: string) =>
    fetch(api + url, {
      method: verb,
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    });
  const { username, password } = OPERATOR;
  const login = (await (await send('/v1/auth/login', 'POST', { username, password })).json()) as { token: string };
  const answer = await send(path, method, body, login.token);
  expect(answer.ok, await answer.text()).toBe(true);
}

const makeInstance = (api: string, tenantId: number, name: string) =>
  asOperator(api, 'POST', '/v1/instances', { tenantId, name, plan: 'basic', brokers: ['a'] });
const removeInstance = (api: string, name: string) => asOperator(api, 'DELETE', `/v1/instances/${name}`);
