import { PARKED } from './beyond';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { DIALOG, TABLE } from './guide';
import { VIEWER } from './seed';
import { Traffic } from './traffic';

const { parked, blocked } = PARKED;
const rows = (it: Console, name: string) => it.table(name).locator('tbody tr.ant-table-row');
const at = (group: string) => `/i/demo/parked?group=${group}`;

test.describe('顺序暂停组', () => {
  test('has its filters, columns and actions', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.parked('seen-parked');
    await traffic.topic('leased-queue', 'fifo');
    await traffic.group('leased-queue', { ordered: true });
    await traffic.send('leased-queue', [{ body: 'in work', messageGroup: 'm' }]);
    await traffic.receive('leased-queue', 'leased-queue', 1);
    await it.open('/i/demo/parked');
    await expect(it.page.locator('main h1')).toHaveText(PARKED.title);
    expect(await it.page.getByRole('search').locator('label').allInnerTexts()).toEqual([...PARKED.filters]);
    const row = rows(it, parked.name).filter({ hasText: 'seen-parked' });
    await expect(row).toHaveCount(1);
    expect(await it.columns(parked.name)).toEqual([...parked.columns]);
    for (const name of Object.values(parked.actions)) {
      await expect(row.getByRole('button', { name, exact: true })).toBeVisible();
    }
    await expect(row.getByText('重试次数用尽（订阅组上限 0 次）')).toBeVisible();
    const queue = rows(it, blocked.name).filter({ hasText: 'seen-parked' });
    await expect(queue.getByText('已暂停，等待处理')).toBeVisible();
    expect(await it.columns(blocked.name)).toEqual([...blocked.columns]);
    // Leased by a member, not parked.
    await expect(rows(it, blocked.name).filter({ hasText: 'leased-queue' }).getByText('已投递，处理中或等待重试')).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await new Traffic(it.service).parked(`parked-${language}`);
      await it.open('/i/demo/parked', { language });
      await expect(it.page.getByText(`parked-${language}`).first()).toBeVisible();
      await expect(it.page.locator('section.guide-table').nth(1).locator('tbody tr.ant-table-row').first()).toBeVisible();
      await it.accessible();
      await it.shot('parked', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('parked-390', language);
    });
  }

  const outcomes = [
    ['retry', '已重新投递', ['one']],
    ['skip', '已跳过', ['two']],
    ['deadLetter', '已转入死信', ['two']],
  ] as const;
  for (const [how, note, next] of outcomes) {
    test(`${parked.actions[how]} lets the message group go on`, async ({ console: it }) => {
      const name = `${how}-parked`;
      const traffic = new Traffic(it.service);
      await traffic.parked(name);
      await it.open(at(name));
      await rows(it, parked.name).getByRole('button', { name: parked.actions[how], exact: true }).click();
      const dialog = it.page.getByRole('dialog');
      await expect(dialog.getByText('审计日志')).toBeVisible();
      await dialog.getByRole('button', { name: DIALOG.confirm }).click();
      await expect(it.page.getByText(note, { exact: true })).toBeVisible();
      await expect(it.table(parked.name).locator('.ant-empty-description')).toHaveText(TABLE.empty);
      const got = await traffic.receive(name, name, 1);
      expect(got.map(({ body }) => body)).toEqual(next);
      if (how === 'deadLetter') {
        const dead = await traffic.call<{ messages: { body: string }[] }>('GET', `/topics/%25DLQ%25${name}/peek`);
        expect(dead.messages.map(({ body }) => body)).toEqual(['one']);
      }
    });
  }

  test('a group that blocks can be made to park', async ({ console: it }) => {
    const traffic = new Traffic(it.service);
    await traffic.topic('blocking', 'fifo');
    await traffic.group('blocking', { ordered: true, onPoison: 'block', maxRetries: 0 });
    await traffic.send('blocking', [{ body: 'poison', messageGroup: 'm' }]);
    await traffic.fail('blocking', 'blocking', await traffic.receive('blocking', 'blocking', 1));
    await it.open(at('blocking'));
    const row = rows(it, blocked.name);
    await row.getByRole('button', { name: blocked.actions.park }).click();
    await it.page.getByRole('dialog').getByRole('button', { name: DIALOG.confirm }).click();
    await expect(row.getByText('暂停消息组')).toBeVisible();
    await traffic.fail('blocking', 'blocking', await traffic.receive('blocking', 'blocking', 1));
    await it.table(parked.name).getByRole('button', { name: '刷新' }).click();
    await expect(rows(it, parked.name)).toHaveCount(1);
  });

  test('a viewer releases nothing', async ({ console: it }) => {
    await new Traffic(it.service).parked('viewed-parked');
    await it.open(at('viewed-parked'), { as: VIEWER });
    const row = rows(it, parked.name);
    await row.getByRole('button', { name: parked.actions.view, exact: true }).click();
    await expect(it.page.getByRole('dialog').locator('pre')).toHaveText('one');
    for (const name of [parked.actions.retry, parked.actions.skip, parked.actions.deadLetter]) {
      await expect(row.getByRole('button', { name, exact: true })).toHaveCount(0);
    }
  });
});
