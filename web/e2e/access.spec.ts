import { expect, LANGUAGES, test } from './fixtures';
import { DIALOG } from './guide';
import { ACCESS } from './guide/operation';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

test.describe('控制台用户与API令牌', () => {
  test('makes, changes and removes console users', async ({ console: it }) => {
    test.slow();
    await it.open('/access', { as: ADMIN });
    const { page } = it;
    await expect(page.locator('main h1')).toHaveText(ACCESS.title);
    await expect(page.getByRole('tab')).toHaveText([...ACCESS.tabs]);
    const table = it.table(ACCESS.users.name);
    await expect(table.getByRole('row').filter({ hasText: 'alice' })).toContainText('管理员');
    expect(await it.columns(ACCESS.users.name)).toEqual([...ACCESS.users.columns]);
    const dialog = page.getByRole('dialog');
    const save = () => dialog.getByRole('button', { name: DIALOG.save }).click();

    await page.getByRole('button', { name: ACCESS.users.create }).click();
    await dialog.getByLabel('用户名').fill('not a name');
    await dialog.getByLabel('密码', { exact: true }).fill('short');
    await dialog.getByLabel('再次输入密码').fill('other');
    await save();
    await expect(dialog.getByText('请输入字母、数字、下划线、横杠组合')).toBeVisible();
    await expect(dialog.getByText('8 到 256 字节')).toHaveCount(2);
    await expect(dialog.getByText('两次输入的密码不一致')).toBeVisible();
    await it.accessible();
    await it.shot('access-user-new', 'zh');
    const password = async (text: string) => {
      await dialog.getByLabel('密码', { exact: true }).fill(text);
      await dialog.getByLabel('再次输入密码').fill(text);
    };
    await password('bobs-password');
    await dialog.getByLabel('用户名').fill('alice');
    await save();
    await expect(dialog.getByRole('alert').filter({ hasText: 'ALREADY_EXISTS' })).toBeVisible();
    await dialog.getByLabel('用户名').fill('bob');
    await save();
    await expect(dialog).toHaveCount(0);
    const row = table.getByRole('row').filter({ hasText: 'bob' });
    await expect(row).toContainText('只读');
    for (const name of ACCESS.users.actions) {
      await expect(row.getByText(name, { exact: true })).toBeVisible();
    }

    await row.getByText('修改角色').click();
    await dialog.getByLabel('角色').click();
    await page.locator('.ant-select-dropdown:visible').getByTitle('管理员').click();
    await save();
    await expect(row).toContainText('管理员');

    await row.getByText('重置密码').click();
    await password('bobs-new-password');
    await save();
    await expect(dialog).toHaveCount(0);
    const login = (text: string) =>
      fetch(`${it.service.api}/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ tenant: 2, username: 'bob', password: text }),
      });
    expect((await login('bobs-password')).status).toBe(401);
    expect((await login('bobs-new-password')).status).toBe(200);

    await row.getByText('删除').click();
    await expect(dialog.getByRole('button', { name: DIALOG.confirm })).toBeDisabled();
    await dialog.getByRole('textbox').fill('bob');
    await dialog.getByRole('button', { name: DIALOG.confirm }).click();
    await expect(row).toHaveCount(0);
    expect((await login('bobs-new-password')).status).toBe(401);
  });

  test('makes a token, shows it once, and revokes it', async ({ console: it }) => {
    test.slow();
    await it.open('/access?tab=tokens', { as: ADMIN });
    const { page } = it;
    const table = it.table(ACCESS.tokens.name);
    await expect(table.locator('.ant-empty-description')).toBeVisible();
    const dialog = page.getByRole('dialog');
    const save = () => dialog.getByRole('button', { name: DIALOG.save }).click();

    await page.getByRole('button', { name: ACCESS.tokens.create }).click();
    await dialog.getByLabel('名称').fill('not a name');
    await dialog.getByLabel('到期时间').fill('2020-01-01 00:00:00');
    await dialog.getByLabel('到期时间').press('Enter');
    await save();
    for (const text of ['请输入字母、数字、下划线、横杠组合', '请至少选择一项权限', '请选择两年以内的将来时间']) {
      await expect(dialog.getByText(text)).toBeVisible();
    }
    await it.accessible();
    await it.shot('access-token-new', 'zh');
    const soon = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10);
    await dialog.getByLabel('到期时间').fill(`${soon} 12:00:00`);
    await dialog.getByLabel('到期时间').press('Enter');
    await dialog.getByLabel('权限').click();
    await page.locator('.ant-select-dropdown:visible').getByTitle('查询').click();
    await dialog.getByLabel('名称').click();
    await dialog.getByLabel('名称').fill('reader');
    await save();

    const shown = dialog.filter({ hasText: '令牌只显示这一次' });
    const token = await shown.locator('pre').innerText();
    expect(token).toMatch(/^firn_[0-9a-f]+_[0-9a-f]+$/);
    await it.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await shown.getByRole('button', { name: '复制' }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
    await page.keyboard.press('Escape');
    await expect(shown).toBeVisible();
    await it.accessible();
    await shown.getByRole('button', { name: '我已保存' }).click();
    await expect(dialog).toHaveCount(0);
    await expect(page.getByText(token)).toHaveCount(0);

    const row = table.getByRole('row').filter({ hasText: 'reader' });
    await expect(row).toContainText('有效');
    await expect(row).toContainText(`${soon} 12:00`);
    expect(await it.columns(ACCESS.tokens.name)).toEqual([...ACCESS.tokens.columns]);
    const topics = () => fetch(`${it.service.api}/v1/instances/demo/topics`, { headers: { authorization: `Bearer ${token}` } });
    expect((await topics()).status).toBe(200);
    await it.shot('access-tokens', 'zh');
    await row.getByText(ACCESS.tokens.actions[0]).click();
    await dialog.getByRole('button', { name: DIALOG.confirm }).click();
    await expect(row).toHaveCount(0);
    expect((await topics()).status).toBe(401);
  });

  test('a viewer sees, and changes nothing', async ({ console: it }) => {
    await it.open('/access', { as: VIEWER });
    const { page } = it;
    await expect(it.table(ACCESS.users.name).getByText('alice')).toBeVisible();
    expect(await it.columns(ACCESS.users.name)).toEqual(ACCESS.users.columns.slice(0, 2));
    await expect(page.getByRole('button', { name: ACCESS.users.create })).toHaveCount(0);
    await page.getByRole('tab', { name: ACCESS.tabs[1] }).click();
    await expect(it.table(ACCESS.tokens.name)).toBeVisible();
    await expect(page.getByRole('button', { name: ACCESS.tokens.create })).toHaveCount(0);
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/access?tenant=2', { as: OPERATOR, language });
      await expect(it.page.getByText('alice', { exact: true })).toBeVisible();
      await it.accessible();
      await it.shot('access', language);
      await it.page.getByRole('tab').nth(1).click();
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('access-390', language);
    });
  }
});
