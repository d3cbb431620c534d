import { expect, LANGUAGES, test } from './fixtures';
import { INSTANCES, TABLE } from './guide';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

test.describe('S-22 6.1 实例列表', () => {
  test('has the columns, values and actions of the guide', async ({ console: it }) => {
    await it.open('/');
    await expect(it.page.locator('main h1')).toHaveText(INSTANCES.title);
    const table = it.table(INSTANCES.title);
    await expect(table.getByText('demo', { exact: true })).toBeVisible();
    expect(await it.columns(INSTANCES.title)).toEqual([...INSTANCES.columns]);
    const row = table.getByRole('row').filter({ hasText: 'demo' });
    const { running, basic, period, use } = INSTANCES.values;
    for (const text of [running, basic, period, '5000', '50', '200G', ...INSTANCES.actions]) {
      await expect(row.getByText(text, { exact: true }).first()).toBeVisible();
    }
    await expect(row.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d$/)).toBeVisible();
    await expect(table.getByRole('row').filter({ hasText: 'archive' }).getByText(use)).toBeVisible();
  });

  test('has the footer of the guide', async ({ console: it }) => {
    await it.open('/instances?size=5');
    const table = it.table(INSTANCES.title);
    await expect(table.getByText(TABLE.footer(1, 1, 2))).toBeVisible();
    for (const name of TABLE.buttons) {
      await expect(table.getByRole('button', { name, exact: true })).toBeVisible();
    }
    expect(await table.locator('select option').allInnerTexts()).toEqual(expect.arrayContaining([...TABLE.sizes]));
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/instances', { language });
      await expect(it.page.getByText('archive', { exact: true }).first()).toBeVisible();
      await it.accessible();
      await it.shot('instances', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('instances-390', language);
    });
  }

  test('an id is short, and all of it is to read and to copy', async ({ console: it }) => {
    await it.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await it.open('/instances');
    const row = it.table(INSTANCES.title).getByRole('row').filter({ hasText: 'demo' });
    const short = row.getByText(/^[0-9a-f]{8}…$/);
    await short.focus();
    await expect(it.page.getByRole('tooltip')).toHaveText(/^[0-9a-f]{32}$/);
    const id = await it.page.getByRole('tooltip').innerText();
    await row.getByRole('button', { name: `复制 ${id}` }).click();
    await expect(it.page.getByText('已复制')).toBeVisible();
    expect(await it.page.evaluate(() => navigator.clipboard.readText())).toBe(id);
  });

  for (const language of LANGUAGES) {
    test(`at 1280 px no column is behind another (${language})`, async ({ console: it }) => {
      await it.open('/instances', { language });
      await expect(it.page.getByText('archive', { exact: true }).first()).toBeVisible();
      const content = it.page.locator('.guide-table').locator('.ant-table-content, .ant-table-body').first();
      const { scrollWidth, clientWidth } = await content.evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
      expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
    });
  }

  test('「管理」 opens the instance', async ({ console: it }) => {
    await it.open('/instances');
    const row = it.table(INSTANCES.title).getByRole('row').filter({ hasText: 'demo' });
    await row.getByText('管理', { exact: true }).click();
    await expect(it.page).toHaveURL(/\/console\/i\/demo\/overview$/);
  });

  test('only the operator makes, freezes, extends and removes instances', async ({ console: it }) => {
    await it.open('/instances', { as: OPERATOR });
    const { page } = it;
    await page.getByRole('button', { name: INSTANCES.create[1] }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('租户').click();
    await page.getByTitle('acme (2)').click();
    await dialog.getByLabel('实例名称').fill('not a name');
    await dialog.getByRole('button', { name: '保存' }).click();
    await expect(dialog.getByText('请输入字母、数字、下划线、横杠组合')).toBeVisible();
    await dialog.getByLabel('实例名称').fill('second');
    await dialog.getByRole('button', { name: '保存' }).click();
    await expect(dialog).toHaveCount(0);
    const row = it.table(INSTANCES.title).getByRole('row').filter({ hasText: 'second' });
    const choose = async (name: string) => {
      await row.getByText('更多', { exact: true }).click();
      await page.locator('.ant-dropdown:visible').getByRole('menuitem', { name, exact: true }).click();
    };

    await choose('冻结');
    await dialog.getByRole('button', { name: '确定' }).click();
    await expect(row.getByText('已冻结')).toBeVisible();
    await choose('解冻');
    await dialog.getByRole('button', { name: '确定' }).click();
    await expect(row.getByText('运行中')).toBeVisible();

    await choose('续期');
    await dialog.getByRole('button', { name: '保存' }).click();
    await expect(dialog).toHaveCount(0);
    await expect(row.getByText(/^\d{4}-\d\d-\d\d \d\d:\d\d$/)).toHaveCount(2);

    await choose('删除');
    await expect(dialog.getByRole('button', { name: '确定' })).toBeDisabled();
    await dialog.getByRole('textbox').fill('second');
    await dialog.getByRole('button', { name: '确定' }).click();
    await expect(row).toHaveCount(0);
  });

  for (const as of [ADMIN, VIEWER]) {
    test(`${as.username} of the tenant does not see what the operator does`, async ({ console: it }) => {
      await it.open('/instances', { as });
      await expect(it.page.getByRole('button', { name: INSTANCES.create[1] })).toHaveCount(0);
      await it.table(INSTANCES.title).getByText('更多', { exact: true }).first().click();
      const more = it.page.locator('.ant-dropdown');
      await expect(more.getByRole('menuitem', { name: '配额' })).toBeVisible();
      await expect(more.getByRole('menuitem', { name: '冻结' })).toHaveCount(0);
    });
  }
});
