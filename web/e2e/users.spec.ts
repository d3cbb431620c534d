import { isLetIn } from './clients';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { DIALOG, USERS, TABLE } from './guide';
import { ADMIN, VIEWER } from './seed';

const PATH = '/i/demo/users';
const [, create] = USERS.buttons;
const [change, remove, account] = USERS.actions;

const labels = async (it: Console) =>
  (await it.page.getByRole('dialog').locator('.ant-form-item-label label').allInnerTexts()).map((label) => label.trim());

/** What somebody sees of a secret. */
const secret = (it: Console) => it.page.locator('.ant-descriptions-row').filter({ hasText: 'secretKey' }).locator('code');

test.describe('S-22 6.4 应用用户管理', () => {
  test('has the filters, columns and actions of the guide', async ({ console: it }) => {
    await it.open(PATH);
    await expect(it.page.locator('main h1')).toHaveText(USERS.title);
    const row = it.table(USERS.title).getByRole('row').filter({ hasText: 'acme' }).first();
    await expect(row.getByText('demo', { exact: true }).first()).toBeVisible();
    expect(await it.columns(USERS.title)).toEqual([...USERS.columns]);
    for (const action of USERS.actions) {
      await expect(row.getByText(action, { exact: true })).toBeVisible();
    }
    for (const name of USERS.buttons) {
      await expect(it.page.getByRole('button', { name, exact: true })).toBeVisible();
    }
    const filters = await it.page.getByRole('search').locator('label').allInnerTexts();
    expect(filters).toEqual([...USERS.filters]);
    await expect(it.page.getByRole('search').locator('.ant-form-item-required')).toHaveText(USERS.filters[0]);
  });

  test('the filter finds parts of names, and what is not there is 暂无数据', async ({ console: it }) => {
    await it.open(PATH);
    await it.page.getByRole('search').getByLabel(USERS.filters[1]).fill('em');
    await it.page.keyboard.press('Enter');
    await expect(it.table(USERS.title).getByRole('link', { name: account })).not.toHaveCount(0);
    await it.page.getByRole('search').getByLabel(USERS.filters[1]).fill('nobody');
    await it.page.getByRole('button', { name: USERS.buttons[0], exact: true }).click();
    await expect(it.table(USERS.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('a user is made, changed and removed', async ({ console: it, service }) => {
    await it.open(PATH);
    const { page } = it;
    const dialog = page.getByRole('dialog');
    const row = it.table(USERS.title).getByRole('row').filter({ hasText: 'till-1' });
    await page.getByRole('button', { name: create, exact: true }).click();
    await expect(dialog.getByText(USERS.create.title)).toBeVisible();
    const fields = await labels(it);
    expect(fields.slice(0, USERS.create.fields.length)).toEqual([...USERS.create.fields]);
    await expect(dialog.getByLabel('租户名')).toHaveValue('acme');
    await expect(dialog.getByLabel('租户名')).not.toBeEditable();

    // Each mistake is told at its field, before anything is sent.
    const sent: string[] = [];
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(dialog.getByText('请输入应用用户')).toBeVisible();
    await dialog.getByLabel('应用用户').fill('no blanks');
    await dialog.getByLabel('密码').fill('密码');
    await dialog.getByLabel('描述').fill('中'.repeat(171));
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(dialog.getByText('请输入字母、数字、下划线、横杠组合')).toBeVisible();
    await expect(dialog.getByText('只能是 1 到 128 个可见 ASCII 字符，不含空格')).toBeVisible();
    await expect(dialog.getByText('最多 512 个字节')).toBeVisible();
    expect(sent).toEqual([]);
    await it.accessible();
    await it.shot('users-create', 'zh');

    await dialog.getByLabel('应用用户').fill('till-1');
    await dialog.getByLabel('密码').fill('till-secret');
    await dialog.getByLabel('描述').fill('the till');
    await dialog.getByLabel('可用主题').fill('orders');
    await page.keyboard.press('Enter');
    await dialog.getByLabel('描述').focus();
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(page.getByText('创建成功')).toBeVisible();
    await expect(dialog).toHaveCount(0);
    await expect(row.getByText('the till')).toBeVisible();
    expect(await isLetIn(service, 'till-1', 'till-secret')).toBe(true);

    // The service's own words: names are unique.
    await page.getByRole('button', { name: create, exact: true }).click();
    await dialog.getByLabel('应用用户').fill('till-1');
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(dialog.getByRole('alert').filter({ hasText: 'ALREADY_EXISTS' })).toBeVisible();
    await dialog.getByRole('button', { name: DIALOG.cancel }).click();
    await expect(dialog).toHaveCount(0);

    await row.getByRole('button', { name: change }).click();
    await expect(dialog.getByText(USERS.change.title)).toBeVisible();
    expect((await labels(it)).slice(0, USERS.change.fields.length)).toEqual([...USERS.change.fields]);
    await expect(dialog.getByLabel('密码')).toHaveValue(/^•+$/);
    await expect(dialog.getByText('orders', { exact: true })).toBeVisible();
    await dialog.getByLabel('IP白名单').fill('not-an-address');
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(dialog.getByRole('alert').filter({ hasText: 'ipAllow' })).toBeVisible();
    await dialog.getByRole('button', { name: DIALOG.cancel }).click();
    await expect(dialog).toHaveCount(0);
    await row.getByRole('button', { name: change }).click();
    await dialog.getByLabel('描述').fill('the new till');
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await expect(row.getByText('the new till')).toBeVisible();

    await row.getByRole('button', { name: remove }).click();
    await expect(dialog.getByText(DIALOG.note, { exact: true })).toBeVisible();
    await expect(dialog.getByRole('button', { name: DIALOG.confirm })).toBeDisabled();
    await dialog.getByRole('textbox').fill('till-1');
    await page.keyboard.press('Enter');
    await expect(page.getByText('删除成功')).toBeVisible();
    await expect(row).toHaveCount(0);
    expect(await isLetIn(service, 'till-1', 'till-secret')).toBe(false);
  });

  test('a secret that the service makes is shown once, and is good', async ({ console: it, service }) => {
    await it.open(PATH);
    const dialog = it.page.getByRole('dialog');
    await it.page.getByRole('button', { name: create, exact: true }).click();
    await dialog.getByLabel('应用用户').fill('made');
    await it.page.keyboard.press('Enter');
    await expect(dialog.getByText('请保存密钥')).toBeVisible();
    const made = await dialog.locator('code').last().innerText();
    expect(await isLetIn(service, 'made', made)).toBe(true);
    await it.accessible();
    await it.shot('users-secret', 'zh');
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await expect(it.page.getByText(made)).toHaveCount(0);
  });

  test('「账户主属性详情」 shows the secret to who knows the password, and rotates it', async ({ console: it, service }) => {
    await it.open(PATH);
    const { page } = it;
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: create, exact: true }).click();
    await dialog.getByLabel('应用用户').fill('turned');
    await dialog.getByLabel('密码').fill('first-secret');
    await dialog.getByLabel('可用主题').fill('payments');
    await page.keyboard.press('Enter');
    await dialog.getByLabel('描述').focus();
    await dialog.getByRole('button', { name: DIALOG.save }).click();
    await it.table(USERS.title).getByRole('row').filter({ hasText: 'turned' }).getByText(account, { exact: true }).click();
    await expect(page.locator('main h1')).toHaveText(account);
    await expect(page.getByText('first-secret')).toHaveCount(0);
    await expect(page.getByRole('row').filter({ hasText: 'payments' }).getByText('是', { exact: true })).toHaveCount(2);

    // One click is not enough, nor is another password.
    await page.getByRole('button', { name: '显示', exact: true }).click();
    await dialog.locator('.ant-btn-primary').click();
    await expect(dialog.getByText('请输入登录密码')).toBeVisible();
    await dialog.getByLabel('登录密码').fill('wrong');
    await page.keyboard.press('Enter');
    await expect(dialog.getByText('密码不正确')).toBeVisible();
    await it.accessible();
    await it.shot('users-show', 'zh');
    await expect(page.getByText('first-secret')).toHaveCount(0);
    await dialog.getByLabel('登录密码').fill(ADMIN.password);
    await page.keyboard.press('Enter');
    await expect(secret(it)).toHaveText('first-secret');
    await it.accessible();
    await it.shot('users-account', 'zh');
    await page.getByRole('button', { name: '隐藏', exact: true }).click();
    await expect(page.getByText('first-secret')).toHaveCount(0);

    await page.getByRole('button', { name: '轮换密钥' }).click();
    await it.accessible();
    await dialog.getByRole('radio', { name: '1 天' }).check();
    await dialog.getByRole('button', { name: '轮换密钥' }).click();
    await expect(dialog.getByText('请保存密钥')).toBeVisible();
    const second = await dialog.locator('code').last().innerText();
    expect(second).not.toBe('first-secret');
    expect([await isLetIn(service, 'turned', 'first-secret'), await isLetIn(service, 'turned', second)]).toEqual([true, true]);
    await page.keyboard.press('Escape');
    await expect(page.getByText(/有效至 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)).toBeVisible();
    await it.shot('users-rotated', 'zh');

    // The login of before goes on: the proof was one of its own.
    await page.reload();
    await expect(page.locator('main h1')).toHaveText(account);
  });

  test('a viewer sees users, and neither secrets nor what changes them', async ({ console: it }) => {
    await it.open(PATH, { as: VIEWER });
    const table = it.table(USERS.title);
    await expect(table.getByText(account, { exact: true }).first()).toBeVisible();
    await expect(it.page.getByRole('button', { name: create })).toHaveCount(0);
    await expect(table.getByRole('button', { name: change })).toHaveCount(0);
    await expect(table.getByRole('button', { name: remove })).toHaveCount(0);
    await it.go(`${PATH}/demo`);
    await expect(it.page.getByText('只有管理员可以查看')).toBeVisible();
    await expect(it.page.getByRole('button', { name: '显示' })).toHaveCount(0);
    await expect(it.page.getByRole('button', { name: '轮换密钥' })).toHaveCount(0);
  });

  test('can be read in the dark, mistakes too', async ({ console: it }) => {
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open(PATH);
    await expect(it.table(USERS.title).getByText(remove, { exact: true }).first()).toBeVisible();
    await it.accessible();
    await it.page.getByRole('button', { name: create, exact: true }).click();
    await it.page.getByRole('dialog').getByRole('button', { name: DIALOG.save }).click();
    await expect(it.page.getByText('请输入应用用户')).toBeVisible();
    await it.accessible();
    await it.shot('users-dark', 'zh');
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(PATH, { language });
      await expect(it.table(USERS.title).or(it.table('Application users')).getByText('acme').first()).toBeVisible();
      await it.accessible();
      await it.shot('users', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('users-390', language);
      await it.go(`${PATH}/demo`);
      await expect(it.page.locator('.ant-descriptions')).toBeVisible();
      await it.accessible();
      await it.shot('users-account-390', language);
    });
  }
});
