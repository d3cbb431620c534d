import { expect, LANGUAGES, test } from './fixtures';
import { MENU } from './guide';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

const menu = '[role=menu] [role=menuitem]';

test.describe('login', () => {
  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.page.addInitScript((chosen) => localStorage.setItem('firn.language', chosen), language);
      await it.page.goto(it.url('/'));
      await expect(it.page.locator('#password')).toBeVisible();
      await it.accessible();
      await it.shot('login', language);
    });
  }

  test('a wrong password is told, and nothing is kept', async ({ console: it }) => {
    await it.page.goto(it.url('/'));
    await it.page.locator('#username').fill(OPERATOR.username);
    await it.page.locator('#password').fill('wrong');
    await it.page.locator('button[type=submit]').click();
    await expect(it.page.getByText('租户、用户名或密码不正确')).toBeVisible();
    expect(await it.page.evaluate(() => sessionStorage.length)).toBe(0);
  });

  test('a deep link stays what it is, over the login and over a reload', async ({ console: it }) => {
    await it.open('/i/demo/topics?page=2');
    await expect(it.page).toHaveURL(/\/i\/demo\/topics\?page=2$/);
    await it.page.reload();
    await expect(it.page.locator('main h1')).toBeVisible();
    await expect(it.page.locator('#password')).toHaveCount(0);
  });

  test('the access token is nowhere but in memory, and logging out ends the refresh token', async ({ console: it }) => {
    const tokens: string[] = [];
    it.page.on('response', async (response) => {
      if (response.url().endsWith('/v1/auth/login') && response.ok()) {
        tokens.push(((await response.json()) as { token: string }).token);
      }
    });
    await it.open('/instances');
    const kept = await it.page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]) + document.cookie);
    expect(tokens).toHaveLength(1);
    expect(kept).not.toContain(tokens[0]);
    const refreshToken = /"refreshToken\\?":\\?"([^"\\]+)/.exec(kept)?.[1] ?? '';
    expect(refreshToken).not.toBe('');
    await it.page.getByRole('button', { name: /当前用户/ }).click();
    await it.page.getByRole('menuitem', { name: '退出登录' }).click();
    await expect(it.page.locator('#password')).toBeVisible();
    expect(await it.page.evaluate(() => sessionStorage.length)).toBe(0);
    await expect
      .poll(async () => (await it.page.request.post(`${it.service.api}/v1/auth/refresh`, { data: { refreshToken } })).status())
      .toBe(401);
  });

  test('a token that is not good any more leads to the login, with the address kept', async ({ console: it }) => {
    await it.open('/instances');
    await it.page.route('**/v1/**', (route) => route.fulfill({ status: 401, json: { error: { code: 'UNAUTHENTICATED', message: 'no' } } }));
    await it.page.getByRole('button', { name: '刷新' }).click();
    await expect(it.page.getByText('登录已失效，请重新登录')).toBeVisible();
    await expect(it.page).toHaveURL(/\/console\/instances$/);
  });

  test('a 401 gets a new token once, and nobody notices', async ({ console: it }) => {
    await it.open('/instances');
    let refused = 0;
    await it.page.route('**/v1/instances*', (route) =>
      refused++ === 0 ? route.fulfill({ status: 401, json: { error: { code: 'UNAUTHENTICATED', message: 'no' } } }) : route.continue(),
    );
    const renewed = it.page.waitForResponse('**/v1/auth/refresh');
    await it.page.getByRole('button', { name: '刷新' }).click();
    expect((await renewed).status()).toBe(200);
    await expect(it.page.getByRole('row').filter({ hasText: 'demo' })).toBeVisible();
    expect(refused).toBe(2);
  });
});

test.describe('S-22 the menu', () => {
  test('is in the order of the guide', async ({ console: it }) => {
    await it.open('/instances');
    const entries = await it.page.locator(menu).allInnerTexts();
    expect(entries.slice(0, MENU.length)).toEqual([...MENU]);
  });

  test('shows everybody what is theirs', async ({ console: it }) => {
    await it.open('/instances', { as: VIEWER });
    await expect(it.page.locator(menu).filter({ hasText: '审计日志' })).toBeVisible();
    await expect(it.page.locator(menu).filter({ hasText: '租户' })).toHaveCount(0);
  });

  test('every entry leads to a page', async ({ console: it }) => {
    await it.open('/instances', { as: OPERATOR });
    const count = await it.page.locator(menu).count();
    expect(count).toBeGreaterThan(MENU.length);
    for (let at = 0; at < count; at++) {
      const entry = it.page.locator(menu).nth(at);
      await entry.getByRole('link').click();
      await expect(entry).toHaveClass(/selected/);
      await expect(it.page.locator('main h1')).toBeVisible();
    }
  });
});

test.describe('the frame', () => {
  test('language and colours are changed, and kept', async ({ console: it }) => {
    await it.page.goto(it.url('/instances'));
    await it.logIn(ADMIN);
    await it.page.getByRole('button', { name: 'English' }).click();
    await expect(it.page.locator('main h1')).toHaveText('Instances');
    await expect(it.page.locator('html')).toHaveAttribute('lang', 'en');
    await it.page.getByRole('button', { name: 'Dark mode' }).click();
    await it.page.reload();
    await expect(it.page.locator('main h1')).toHaveText('Instances');
    await expect(it.page.locator('html')).toHaveAttribute('data-colours', 'dark');
    await expect(it.page.getByRole('row').filter({ hasText: 'demo' })).toBeVisible();
    await it.accessible();
    await it.shot('instances-dark', 'en');
  });

  test('on a low window the menu scrolls by itself, to the page that is open', async ({ console: it }) => {
    await it.page.setViewportSize({ width: 1280, height: 500 });
    await it.open('/access');
    const entry = it.page.locator('.ant-menu-item-selected');
    await expect(entry).toBeInViewport();
    await expect(it.page.getByRole('menuitem', { name: MENU[0] })).not.toBeInViewport();
    expect(await it.page.evaluate(() => document.documentElement.scrollHeight)).toBe(500);
    await it.page.getByRole('menuitem', { name: MENU[0] }).click();
    await expect(it.page.getByRole('menuitem', { name: MENU[0] })).toBeInViewport();
    await it.accessible();
  });

  test('a limit is told by its name, with when to come again', async ({ console: it }) => {
    const json = { error: { code: 'RATE_LIMITED', message: 'over', details: { limit: 'instance', limitTps: 5000 } } };
    await it.page.route('**/v1/plans*', (route) => route.continue());
    await it.page.route('**/v1/instances*', (route) =>
      route.fulfill({ status: 429, headers: { 'retry-after': '7' }, json }),
    );
    await it.page.goto(it.url('/instances'));
    await it.logIn(ADMIN);
    await expect(it.page.getByText('已达到实例的 TPS 上限（5000）, 请在 7 秒后重试')).toBeVisible();
  });

  test('an instance that is not there is said not to be there', async ({ console: it }) => {
    await it.page.goto(it.url('/i/nothing/topics'));
    await it.page.locator('#tenant').fill(ADMIN.tenant);
    await it.page.locator('#username').fill(ADMIN.username);
    await it.page.locator('#password').fill(ADMIN.password);
    await it.page.locator('button[type=submit]').click();
    await expect(it.page.getByText('集群「nothing」不存在，或者您无权查看')).toBeVisible();
  });

  test('the menu can be reached and used with the keyboard on a narrow screen', async ({ console: it }) => {
    await it.page.setViewportSize({ width: 390, height: 800 });
    await it.open('/instances');
    const button = it.page.getByRole('button', { name: '打开菜单' });
    await button.focus();
    await it.page.keyboard.press('Enter');
    await expect(it.page.getByRole('menuitem', { name: '主题管理' })).toBeVisible();
    await it.page.keyboard.press('Escape');
    await expect(it.page.getByRole('menuitem', { name: '主题管理' })).toBeHidden();
  });
});
