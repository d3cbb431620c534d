import { send } from './clients';
import { expect, LANGUAGES, test } from './fixtures';
import { PRODUCERS, TABLE } from './guide';
import { VIEWER } from './seed';

const PATH = '/i/demo/producers';
const GROUP = 'CLIENT_INNER_PRODUCER';

test.describe('S-22 6.7 生产者实例查询', () => {
  test('has the filters, columns and actions of the guide, and who sends now', async ({ console: it, service }) => {
    await it.open(PATH, { as: VIEWER });
    await send(service, 'orders', { body: 'x' });
    await it.page.getByRole('button', { name: '刷新' }).click();
    await expect(it.page.locator('main h1')).toHaveText(PRODUCERS.title);
    await expect(it.page.getByRole('menuitem', { name: PRODUCERS.menu })).toHaveClass(/selected/);
    const row = it.table(PRODUCERS.title).getByRole('row').filter({ hasText: 'orders' });
    await expect(row.getByText(GROUP)).toBeVisible();
    expect(await it.columns(PRODUCERS.title)).toEqual([...PRODUCERS.columns]);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...PRODUCERS.filters]);

    await row.getByRole('button', { name: PRODUCERS.actions[0], exact: true }).click();
    const { title, columns } = PRODUCERS.instances;
    const dialog = it.page.getByRole('dialog');
    await expect(dialog.getByText(title, { exact: true })).toBeVisible();
    const client = it.table(title).getByRole('row').filter({ hasText: GROUP }).first();
    await expect(client.getByText('SPEC', { exact: true })).toBeVisible();
    await expect(client.getByText('1.2.3', { exact: true })).toBeVisible();
    expect(await it.columns(title)).toEqual([...columns]);
    await it.accessible();
    await it.shot('producers-instances', 'zh');
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);

    await it.page.getByLabel(PRODUCERS.filters[2]).fill('somebody else');
    await it.page.keyboard.press('Enter');
    await expect(it.table(PRODUCERS.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('a broker has the producers of its topics', async ({ console: it, service }) => {
    await it.open(PATH);
    await send(service, 'orders', { body: 'x' });
    await it.page.getByRole('button', { name: '刷新' }).click();
    const row = it.table(PRODUCERS.title).getByRole('row').filter({ hasText: 'orders' });
    await expect(row).toBeVisible();
    await it.page.getByLabel(PRODUCERS.filters[1]).click();
    await it.page.getByTitle('b', { exact: true }).click();
    await it.page.getByRole('button', { name: '查询', exact: true }).click();
    await expect(row).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it, service }) => {
      await send(service, 'orders', { body: 'x' });
      await it.open(PATH, { language });
      await expect(it.page.getByText(GROUP).first()).toBeVisible();
      await it.accessible();
      await it.shot('producers', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('producers-390', language);
    });
  }
});
