import { expect, LANGUAGES, test } from './fixtures';
import { DIALOG } from './guide';
import { PLANS } from './guide/operation';
import { ADMIN, VIEWER } from './seed';
import { OPERATOR } from './service';

test.describe('套餐', () => {
  test('shows every attribute of a plan and makes another one', async ({ console: it }) => {
    await it.open('/plans', { as: OPERATOR });
    const { page } = it;
    await expect(page.locator('main h1')).toHaveText(PLANS.title);
    const table = it.table(PLANS.list.name);
    const basic = table.getByRole('row').filter({ hasText: 'basic' });
    await expect(basic).toBeVisible();
    expect(await it.columns(PLANS.list.name)).toEqual([...PLANS.list.columns]);
    expect(await basic.getByRole('cell').allInnerTexts()).toEqual([
      'basic', '5000', '5000', '0.1', '50', '不限', '不限', '200G', '72', '524288', '不限', 'standard',
    ]);

    await page.getByRole('button', { name: '新建套餐' }).click();
    const dialog = page.getByRole('dialog');
    const save = () => dialog.getByRole('button', { name: DIALOG.save }).click();
    await dialog.getByLabel('套餐名称').fill('not a name');
    await dialog.getByLabel('Topic数上限').fill('');
    await save();
    await expect(dialog.getByText('请输入字母、数字、下划线、横杠组合')).toBeVisible();
    await expect(dialog.getByText('请输入数值')).toBeVisible();
    await it.accessible();
    await dialog.getByLabel('Topic数上限').fill('12');
    await dialog.getByLabel('套餐名称').fill('basic');
    await save();
    await expect(dialog.getByRole('alert').filter({ hasText: 'ALREADY_EXISTS' })).toBeVisible();
    await dialog.getByLabel('套餐名称').fill('tiny');
    await dialog.getByLabel('TPS峰值').fill('7');
    await it.shot('plan-new', 'zh');
    await save();
    await expect(dialog).toHaveCount(0);
    const tiny = table.getByRole('row').filter({ hasText: 'tiny' });
    expect((await tiny.getByRole('cell').allInnerTexts()).slice(0, 5)).toEqual(['tiny', '7', '5000', '0.1', '12']);
  });

  test('shows prices and adds a version of a list', async ({ console: it }) => {
    await it.open('/plans?tab=prices', { as: OPERATOR });
    const { page } = it;
    const table = it.table(PLANS.prices.name);
    const first = table.getByRole('row').filter({ hasText: '始终' });
    await expect(first).toBeVisible();
    expect(await it.columns(PLANS.prices.name)).toEqual([...PLANS.prices.columns]);
    await first.getByRole('button').click();
    const prices = table.locator('.ant-table-expanded-row');
    await expect(prices.getByRole('columnheader')).toHaveText([...PLANS.prices.items]);
    await expect(prices.getByRole('row').filter({ hasText: '实例包月' })).toContainText('10.00 USD');
    await it.shot('plans-prices', 'zh');

    await page.getByRole('button', { name: '新增版本' }).click();
    const dialog = page.getByRole('dialog');
    const save = () => dialog.getByRole('button', { name: DIALOG.save }).click();
    await dialog.getByLabel('币种').fill('usd');
    await dialog.getByLabel('单价').first().fill('-1');
    await save();
    await expect(dialog.getByText('三个大写字母，如 USD')).toBeVisible();
    await expect(dialog.getByText('0 到 1000000，最多 6 位小数')).toBeVisible();
    await it.accessible();
    await it.shot('price-list-new', 'zh');
    await dialog.getByLabel('币种').fill('EUR');
    await dialog.getByLabel('单价').first().fill('12.5');
    await dialog.getByLabel('价目表').fill('gold');
    await save();
    await expect(dialog).toHaveCount(0);
    const gold = table.getByRole('row').filter({ hasText: 'gold' });
    await expect(gold).toContainText('EUR');
    // Every deployment bills in one currency: the service says so, and the form stays.
    await page.getByRole('button', { name: '新增版本' }).click();
    await dialog.getByLabel('币种').fill('CNY');
    await save();
    await expect(dialog.getByRole('alert').filter({ hasText: /bills in EUR|validFrom|currency/ })).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/plans', { as: OPERATOR, language });
      await expect(it.page.getByText('serverless', { exact: true })).toBeVisible();
      await it.accessible();
      await it.shot('plans', language);
      await it.page.getByRole('tab').nth(1).click();
      await expect(it.page.getByText('standard', { exact: true }).first()).toBeVisible();
      await it.accessible();
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('plans-390', language);
    });
  }

  for (const as of [ADMIN, VIEWER]) {
    test(`is not for ${as.username}`, async ({ console: it }) => {
      await it.open('/plans', { as });
      await expect(it.page.getByText('无权访问')).toBeVisible();
    });
  }
});
