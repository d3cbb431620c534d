import { TRANSACTIONS } from './beyond';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { DIALOG, TABLE } from './guide';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

const { title, actions, states } = TRANSACTIONS;
const rows = (it: Console) => it.table(title).locator('tbody tr.ant-table-row');

async function begin(it: Console, topic: string, bodies: readonly string[]): Promise<Traffic> {
  const traffic = new Traffic(it.service);
  await traffic.topic(topic, 'transaction');
  for (const body of bodies) {
    await traffic.call('POST', `/topics/${topic}/transactions`, { body, keys: [body], checkAfterSeconds: 3600 });
  }
  return traffic;
}

test.describe('事务消息', () => {
  test('has its filters, columns and actions', async ({ console: it }) => {
    await it.open('/i/demo/transactions');
    await expect(it.page.locator('main h1')).toHaveText(title);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...TRANSACTIONS.filters]);
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(it.page.getByText('请选择主题', { exact: true })).toBeVisible();
    await it.page.getByRole('combobox', { name: '主题' }).click();
    await it.page.getByTitle('transfers', { exact: true }).click();
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(rows(it)).toHaveCount(1);
    expect(await it.columns(title)).toEqual([...TRANSACTIONS.columns]);
    for (const name of Object.values(actions)) {
      await expect(rows(it).getByRole('button', { name, exact: true })).toBeVisible();
    }
    await expect(rows(it).getByText(states.open)).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open('/i/demo/transactions?topic=transfers', { language });
      await expect(rows(it).or(it.page.locator('tbody tr.ant-table-row'))).toHaveCount(1);
      await it.accessible();
      await it.shot('transactions', language);
      await it.page.getByRole('button', { name: language === 'zh' ? '查看' : 'View' }).click();
      await expect(it.page.getByRole('dialog').locator('pre')).toContainText('transfer');
      await it.accessible();
      await it.shot('transactions-details', language);
    });
  }

  test('a state without any is empty', async ({ console: it }) => {
    await it.open('/i/demo/transactions?topic=transfers&state=givenUp');
    await expect(it.table(title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
  });

  test('one is committed and one rolled back, and the audit log has both', async ({ console: it }) => {
    const traffic = await begin(it, 'decided-tx', ['paid', 'cancelled']);
    await traffic.group('decided-tx-group');
    await it.open('/i/demo/transactions?topic=decided-tx');
    await expect(rows(it)).toHaveCount(2);
    const decide = async (key: string, name: string, note: string) => {
      await rows(it).filter({ hasText: key }).getByRole('button', { name, exact: true }).click();
      const dialog = it.page.getByRole('dialog');
      await expect(dialog.getByText('审计日志')).toBeVisible();
      await dialog.getByRole('button', { name: DIALOG.confirm }).click();
      await expect(it.page.getByText(note, { exact: true })).toBeVisible();
      await expect(dialog).toHaveCount(0);
    };
    await decide('cancelled', actions.rollback, '回滚成功');
    await decide('paid', actions.commit, '提交成功');
    await expect(it.table(title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    const got = await traffic.receive('decided-tx-group', 'decided-tx');
    expect(got.map(({ body }) => body)).toEqual(['paid']);
  });

  test('what was decided meanwhile is told in the dialog', async ({ console: it }) => {
    await begin(it, 'raced-tx', ['raced']);
    await it.open('/i/demo/transactions?topic=raced-tx');
    await rows(it).getByRole('button', { name: actions.commit, exact: true }).click();
    await it.page.route('**/commit', (route) =>
      route.fulfill({ status: 409, json: { error: { code: 'CONFLICT', message: 'it was rolled back' } } }),
    );
    await it.page.getByRole('dialog').getByRole('button', { name: DIALOG.confirm }).click();
    await expect(it.page.getByRole('dialog').getByText('it was rolled back')).toBeVisible();
  });

  test('a viewer decides nothing', async ({ console: it }) => {
    await it.open('/i/demo/transactions?topic=transfers', { as: VIEWER });
    await expect(rows(it).getByRole('button', { name: actions.view, exact: true })).toBeVisible();
    await expect(rows(it).getByRole('button', { name: actions.commit, exact: true })).toHaveCount(0);
    await expect(rows(it).getByRole('button', { name: actions.rollback, exact: true })).toHaveCount(0);
  });
});
