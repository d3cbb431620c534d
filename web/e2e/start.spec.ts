import { execFileSync } from 'node:child_process';
import { START } from './beyond';
import { expect, LANGUAGES, test } from './fixtures';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

test.describe('快速接入', () => {
  test('has its fields and a program for each way', async ({ console: it }) => {
    await it.open('/i/demo/start');
    await expect(it.page.locator('main h1')).toHaveText(START.title);
    const labels = it.page.locator('main form .ant-form-item-label label');
    await expect(labels).toHaveCount(START.fields.length);
    expect(await labels.allInnerTexts()).toEqual([...START.fields]);
    await expect(it.page.getByRole('radiogroup').locator('label')).toHaveText([...START.ways]);
    for (const name of START.ways) {
      await it.page.getByRole('radiogroup').getByText(name, { exact: true }).click();
      const code = it.page.locator('.code pre').last();
      await expect(code).toContainText('demo');
      await expect(code).not.toContainText('demo-secret');
    }
    await expect(it.page.getByLabel('HTTP 地址')).toHaveValue(it.service.web);
    await expect(it.page.getByLabel('gRPC 地址')).toHaveValue(it.service.grpc);
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/i/demo/start', { language });
      await expect(it.page.locator('.code pre').first()).toBeVisible();
      await it.accessible();
      await it.shot('start', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('start-390', language);
    });
  }

  test('what is pasted into a shell works, with the secret that was asked for', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.topic('aa-pasted');
    await traffic.group('aa-pasted');
    await it.open('/i/demo/start');
    await it.page.getByRole('button', { name: '显示密钥' }).click();
    await it.page.getByLabel('HTTP 地址').fill(it.service.api);
    const code = it.page.locator('.code pre').last();
    await expect(code).toContainText('demo-secret');
    await expect(code).toContainText(it.service.api);
    await expect(code).toContainText('aa-pasted');
    const said = execFileSync('sh', ['-e', '-c', await code.innerText()], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    expect(said).toContain('"body":"hello"');
    expect(said).toContain('"status":"OK"');
    await it.page.getByRole('button', { name: '隐藏密钥' }).click();
    await expect(code).not.toContainText('demo-secret');
  });

  test('copies what is shown, and says so', async ({ console: it }) => {
    await it.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await it.open('/i/demo/start');
    await it.page.getByRole('button', { name: '复制 程序' }).click();
    await expect(it.page.getByText('已复制')).toBeVisible();
    expect(await it.page.evaluate(() => navigator.clipboard.readText())).toContain('/v1/instances/demo');
  });

  test('an address that is none is told at its field, and not put into programs', async ({ console: it }) => {
    await it.open('/i/demo/start');
    await it.page.getByLabel('HTTP 地址').fill('somewhere');
    await expect(it.page.getByText('请输入形如 http://主机:端口 的地址')).toBeVisible();
    await it.page.getByLabel('gRPC 地址').fill('mq.example');
    await expect(it.page.getByText('请输入形如 主机:端口 的地址')).toBeVisible();
    await expect(it.page.locator('.code pre').last()).toContainText(it.service.web);
    await it.page.getByLabel('gRPC 地址').fill('mq.example:9');
    await it.page.getByRole('radiogroup').getByText('Python', { exact: true }).click();
    await expect(it.page.locator('.code pre').last()).toContainText('"mq.example:9"');
  });

  test('a viewer sees no secret, and how to get one', async ({ console: it }) => {
    await it.open('/i/demo/start', { as: VIEWER });
    await expect(it.page.getByText('只读用户看不到密钥，请向管理员索取。')).toBeVisible();
    await expect(it.page.getByRole('button', { name: '显示密钥' })).toHaveCount(0);
  });

  test('an instance without topics says where to make some', async ({ console: it }) => {
    await it.open('/i/archive/start');
    await expect(it.page.getByText('请先创建普通主题')).toBeVisible();
    await it.page.locator('main form').getByRole('link', { name: '主题管理' }).click();
    await expect(it.page).toHaveURL(/\/i\/archive\/topics$/);
  });

  test('can be used in the dark', async ({ console: it }) => {
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open('/i/demo/start');
    await expect(it.page.locator('.code pre').first()).toBeVisible();
    await it.accessible();
    await it.shot('start-dark', 'zh');
  });
});
