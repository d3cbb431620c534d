import type { Locator } from '@playwright/test';
import { type Console, expect, test } from './fixtures';
import { DIALOG, MESSAGES, TABLE, TOPICS } from './guide';
import { INSTANCE, VIEWER } from './seed';
import { act, LIST, rowOf } from './topics';

const BASIC = `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`;

/** A call of an application. */
async function call(it: Console, path: string, data: unknown) {
  const url = `${it.service.api}/v1/instances/${INSTANCE}${path}`;
  const response = await it.page.request.post(url, { data, headers: { authorization: BASIC } });
  expect(response.ok(), await response.text()).toBe(true);
  return response.json() as Promise<unknown>;
}

const labels = (place: Locator) => place.locator('.ant-form-item-label label').allInnerTexts();

async function choose(it: Console, field: Locator, option: string) {
  await field.click();
  await it.page.locator('.ant-select-dropdown:visible').locator('.ant-select-item-option').filter({ hasText: new RegExp(`^${option}$`) }).click();
}

test.describe('S-22 6.5 主题管理', () => {
  test('has the filters, columns, values and actions of the guide', async ({ console: it }) => {
    await it.open(LIST);
    await expect(it.page.locator('main h1')).toHaveText(TOPICS.title);
    await expect(rowOf(it, 'orders')).toBeVisible();
    expect(await it.columns(TOPICS.title)).toEqual([...TOPICS.columns]);
    const search = it.page.getByRole('search');
    expect(await labels(search)).toEqual([...TOPICS.filters]);
    await expect(search.locator('label.ant-form-item-required')).toHaveText('集群');
    await expect(search.getByPlaceholder('支持模糊查询')).toBeVisible();
    for (const name of TOPICS.buttons) {
      await expect(search.getByRole('button', { name })).toBeVisible();
    }
    // One row for each topic and broker.
    for (const broker of ['a', 'b']) {
      const row = rowOf(it, 'orders', broker);
      expect((await row.getByRole('cell').allInnerTexts()).slice(1, 7)).toEqual(['orders', broker, '4', '4', '读写', '无序']);
      expect(await row.getByRole('cell').last().locator('a, button').allInnerTexts()).toEqual([...TOPICS.actions]);
      await expect(row.getByRole('checkbox')).toBeVisible();
    }
    await expect(rowOf(it, 'payments').getByText('有序', { exact: true })).toBeVisible();
  });

  test('is filtered by broker and by part of a name, and paged by the service', async ({ console: it }) => {
    await it.open(`${LIST}?size=5&page=2`);
    const table = it.table(TOPICS.title);
    await expect(table.getByText(/^当前第2页/)).toBeVisible();
    await it.page.getByRole('search').getByLabel('Topic').fill(' ment ');
    await it.page.keyboard.press('Enter');
    await expect(table.getByText(TABLE.footer(1, 1, 2))).toBeVisible();
    await expect(rowOf(it, 'payments', 'b')).toBeVisible();
    await choose(it, it.page.getByRole('search').getByLabel('Broker'), 'b');
    await it.page.getByRole('button', { name: '查询' }).click();
    await expect(rowOf(it, 'payments', 'a')).toHaveCount(0);
    await expect(rowOf(it, 'payments', 'b')).toBeVisible();
    await it.page.reload();
    await expect(table.getByText(TABLE.footer(1, 1, 1))).toBeVisible();
    await expect(it.page.getByRole('search').getByLabel('Topic')).toHaveValue('ment');
    await it.page.getByRole('search').getByLabel('Topic').fill('nothing-like-it');
    await it.page.keyboard.press('Enter');
    await expect(table.locator('.ant-empty-description', { hasText: TABLE.empty })).toBeVisible();
    // A page that is not there is the last that is.
    await it.go(`${LIST}?size=5&page=400`);
    await expect(table.getByText(/^当前第(\d+)页, 共\1页/)).toBeVisible();
    await expect(table.locator('tbody tr[data-row-key]').first()).toBeVisible();
  });

  test('「新建Topic」 says what is wrong, makes a topic, and 「编辑Topic」 changes it', async ({ console: it }) => {
    await it.open(LIST);
    const { page } = it;
    await page.getByRole('button', { name: TOPICS.buttons[1] }).click();
    const dialog = page.getByRole('dialog', { name: TOPICS.create.title });
    await expect(dialog).toBeVisible();
    expect(await labels(dialog)).toEqual([...TOPICS.create.fields]);
    await expect(dialog.getByText(TOPICS.create.hint)).toBeVisible();
    await expect(dialog.getByLabel('全部')).toBeFocused();
    await expect(dialog.getByLabel('集群')).toBeDisabled();
    expect(await dialog.getByRole('checkbox').count()).toBe(3);
    const save = dialog.getByRole('button', { name: DIALOG.save });
    const name = dialog.getByLabel('Topic名称');

    // Nothing of this is sent.
    await page.route('**/api/manager/topics?*', (route) => route.abort());
    await save.click();
    await expect(dialog.getByText('请输入Topic名称')).toBeVisible();
    await name.fill('two words');
    await dialog.getByLabel('每个Broker分区数').fill('1025');
    await dialog.getByLabel('备注').fill('备'.repeat(171));
    await dialog.getByLabel('全部').uncheck();
    await save.click();
    await expect(dialog.locator('.ant-form-item-explain-error', { hasText: TOPICS.create.placeholder })).toBeVisible();
    await expect(dialog.getByText('请输入1到1024的整数')).toBeVisible();
    await expect(dialog.getByText('备注不能超过512字节')).toBeVisible();
    await expect(dialog.getByText('请选择Broker')).toBeVisible();
    await page.unroute('**/api/manager/topics?*');

    await name.fill('orders');
    await dialog.getByLabel('每个Broker分区数').fill('2');
    await dialog.getByLabel('备注').fill('备注');
    await dialog.getByLabel('a', { exact: true }).check();
    await save.click();
    await expect(dialog.getByRole('alert').filter({ hasText: 'orders' })).toBeVisible();
    await name.fill('made-here');
    await dialog.getByText('有序', { exact: true }).click();
    await dialog.getByText('只写', { exact: true }).click();
    // As the button.
    await name.press('Enter');
    await expect(dialog).toHaveCount(0);
    await expect(page.getByText('创建成功')).toBeVisible();
    await it.go(`${LIST}?topic=made-here`);
    const cells = rowOf(it, 'made-here').getByRole('cell');
    await expect.poll(async () => (await cells.allInnerTexts()).slice(1, 7)).toEqual(['made-here', 'a', '2', '2', '只写', '有序']);
    await expect(rowOf(it, 'made-here', 'b')).toHaveCount(0);

    const change = await act(it, 'made-here', '修改');
    await expect(change.getByText(TOPICS.change.title)).toBeVisible();
    expect(await labels(change)).toEqual([...TOPICS.create.fields]);
    for (const locked of ['集群', 'Topic名称', 'a', '全部']) {
      await expect(change.getByLabel(locked, { exact: true })).toBeDisabled();
    }
    await expect(change.getByLabel('备注')).toHaveValue('备注');
    await change.getByLabel('备注').fill('');
    await change.getByLabel('每个Broker分区数').fill('3');
    await change.getByText('无序', { exact: true }).click();
    await change.getByText('只读', { exact: true }).click();
    await change.getByRole('button', { name: DIALOG.save }).click();
    await expect(change).toHaveCount(0);
    await expect.poll(async () => (await cells.allInnerTexts()).slice(1, 7)).toEqual(['made-here', 'a', '3', '3', '只读', '无序']);

    const remove = await act(it, 'made-here', '删除');
    await expect(remove.getByText(DIALOG.note, { exact: true })).toBeVisible();
    await expect(remove.getByRole('button', { name: DIALOG.confirm })).toBeDisabled();
    await remove.getByRole('textbox').fill('made-here');
    await remove.getByRole('button', { name: DIALOG.confirm }).click();
    await expect(rowOf(it, 'made-here')).toHaveCount(0);
    await expect(page.getByText('删除成功')).toBeVisible();
  });

  test('「删除」 is refused while clients are online, with the text of the guide and the clients', async ({ console: it }) => {
    await it.open(LIST);
    await call(it, '/groups/workers/topics/orders/receive', { max: 1, waitSeconds: 0, consumerId: 'still-here' });
    const dialog = await act(it, 'orders', '删除');
    await expect(dialog.getByRole('textbox')).toBeFocused();
    await it.page.keyboard.type('orders');
    await it.page.keyboard.press('Enter');
    await expect(dialog.getByText(/^topic orders is consuming by consumer /)).toBeVisible();
    await expect(dialog.getByRole('listitem').filter({ hasText: 'still-here' })).toBeVisible();
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await expect(rowOf(it, 'orders')).toBeVisible();
  });

  test('「Topic路由」', async ({ console: it }) => {
    await it.open(LIST);
    const dialog = await act(it, 'payments', '路由');
    await expect(dialog.getByText(new RegExp(TOPICS.route.title))).toBeVisible();
    await expect(dialog.getByText('有序', { exact: true })).toBeVisible();
    const [brokers, queues] = TOPICS.route.sections;
    await expect(it.table(brokers).getByText(/^0:\d+\.\d+\.\d+\.\d+:\d+$/)).toHaveCount(2);
    expect(await it.columns(brokers)).toEqual([...TOPICS.route.brokers]);
    expect(await it.columns(queues)).toEqual([...TOPICS.route.queues]);
    expect(await it.table(queues).locator('tbody tr[data-row-key]').first().getByRole('cell').allInnerTexts()).toEqual(['a', '2', '2', '读写']);
    await it.page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
  });

  test('「堆积量」 has a row for each group and broker, and leads to 「OFFSET查询」', async ({ console: it }) => {
    await it.open(LIST);
    const dialog = await act(it, 'orders', '堆积量');
    const table = it.table(TOPICS.depth.title);
    await expect(table.getByRole('row').filter({ hasText: 'workers' })).toHaveCount(2);
    expect(await it.columns(TOPICS.depth.title)).toEqual([...TOPICS.depth.columns]);
    const rows = await table.locator('tbody tr[data-row-key]').filter({ hasText: 'workers' }).all();
    const cells = await Promise.all(rows.map((row) => row.getByRole('cell').allInnerTexts()));
    const sum = (at: number) => cells.reduce((total, row) => total + Number(row[at]), 0);
    expect(sum(3) + sum(4)).toBe(40);
    expect(sum(3)).toBeGreaterThan(0);
    await dialog.getByText(TOPICS.detail.queueAction).first().click();
    await expect(it.page.getByRole('dialog', { name: TOPICS.offset.title })).toBeVisible();
  });

  test('「TPS监控」 draws what is produced and what a group consumes', async ({ console: it }) => {
    // What is counted comes a minute later: the points are made up, and the call is the real one.
    const asked: URLSearchParams[] = [];
    await it.page.route('**/orders/tps?*', async (route) => {
      asked.push(new URL(route.request().url()).searchParams);
      const response = await route.fetch();
      expect(response.ok()).toBe(true);
      const json = (await response.json()) as { result: { total: number; totalTpslist: object[] } };
      json.result.totalTpslist = [{ inTPS: 0.333, outTPS: 12.5, crtTime: Date.now() - 600_000 }];
      json.result.total = 1;
      await route.fulfill({ json });
    });
    await it.open(LIST);
    const dialog = await act(it, 'orders', 'TPS监控');
    await expect(dialog.locator('.plot canvas')).toBeVisible();
    await expect(dialog.locator('.u-legend')).toContainText('生产TPS');
    await expect(dialog.locator('.u-legend')).toContainText('消费TPS');
    await expect(dialog.getByText('峰值：生产 0.333，消费 12.500')).toBeVisible();
    await choose(it, dialog.getByLabel('Broker'), 'b');
    await choose(it, dialog.getByLabel('消费组'), 'workers');
    await expect.poll(() => asked.at(-1)?.toString()).toMatch(/brokerName=b&groupName=workers$/);
    await expect(dialog.locator('.plot canvas')).toBeVisible();
  });

  test('「重置消费位置」 wants its fields, shows what it would do, does it and tells', async ({ console: it }) => {
    await it.open(LIST);
    const { page } = it;
    const { reset } = TOPICS;
    const resets: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/consumeOffset')) {
        resets.push(request.url());
      }
    });
    const dialog = await act(it, 'invoices', reset.title);
    const found = (await labels(dialog)).map((label) => label.replace(/ \(.*\)$/, ''));
    expect(found).toEqual([...reset.fields]);
    await expect(dialog.locator('label.ant-form-item-required')).toHaveText([/^消费组名称/, /^重置时间点/]);
    await expect(dialog.getByRole('listitem')).toHaveCount(4);
    const ok = dialog.getByRole('button', { name: DIALOG.confirm });
    const again = dialog.getByRole('button', { name: '确认重置' });
    await expect(dialog.getByLabel(reset.fields[0])).toBeFocused();
    await ok.click();
    await expect(dialog.getByText('请选择消费组')).toBeVisible();
    await expect(dialog.getByText('请选择重置时间点')).toBeVisible();

    await choose(it, dialog.getByLabel(reset.fields[0]), 'auditors');
    const time = dialog.getByPlaceholder('yyyy-MM-dd HH:mm:ss');
    await time.fill('2039-01-01 00:00:00');
    await time.press('Enter');
    // Nothing is asked by that.
    await expect(again).toHaveCount(0);
    await ok.click();
    await expect(dialog.getByText(/尚未生效：将重置 2 个队列/)).toBeVisible();
    await expect(dialog.getByText(/0 条消息变为未消费，7 条消息变为已消费/)).toBeVisible();
    expect(resets).toEqual([]);
    await again.click();
    await expect(page.getByText(reset.done)).toBeVisible();
    await expect(dialog.getByText(reset.total(2))).toBeVisible();
    expect(await it.columns(reset.title)).toEqual([...reset.columns]);
    const rows = await it.table(reset.title).locator('tbody tr[data-row-key]').all();
    const cells = await Promise.all(rows.map((row) => row.getByRole('cell').allInnerTexts()));
    expect(cells.map(([topic, broker, queue]) => [topic, broker, queue])).toEqual([
      ['invoices', 'a', '0'],
      ['invoices', 'b', '0'],
    ]);
    for (const [, , , before, after, diff] of cells) {
      expect(Number(before) - Number(after)).toBe(Number(diff));
    }
    expect(resets).toHaveLength(1);
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);

    // And back to the start: the box stands for the time.
    await act(it, 'invoices', reset.title);
    await choose(it, dialog.getByLabel(reset.fields[0]), 'auditors');
    await dialog.getByRole('checkbox').check();
    await ok.click();
    await expect(dialog.getByText(/7 条消息变为未消费，0 条消息变为已消费/)).toBeVisible();
    await again.click();
    await expect(dialog.getByText(reset.total(2))).toBeVisible();
    const after = it.table(reset.title).locator('tbody tr[data-row-key] td:nth-child(5)');
    await expect(after).toHaveText(['0', '0']);
    expect(resets).toHaveLength(2);
  });

  test('「详细信息」 has the head and the tabs of the guide', async ({ console: it }) => {
    await it.open(LIST);
    const { detail } = TOPICS;
    await call(it, '/topics/orders/messages', { messages: [{ body: 'one more' }] });
    await call(it, '/groups/workers/topics/orders/receive', { max: 1, waitSeconds: 0, consumerId: 'here-now' });
    await rowOf(it, 'orders').getByText('详情', { exact: true }).click();
    await expect(it.page).toHaveURL(new RegExp(`${LIST}/orders$`));
    await expect(it.page.locator('main h1')).toHaveText(detail.title);
    await expect(it.page.locator('.ant-descriptions-item-label')).toHaveText([...detail.head]);
    expect((await it.page.locator('.ant-descriptions-item-content').allInnerTexts()).slice(0, 2)).toEqual(['orders', INSTANCE]);
    await expect(it.page.getByRole('tab')).toHaveText([...detail.tabs]);

    const [queues, consumers, producers] = detail.tabs;
    await choose(it, it.page.getByLabel('消费组').first(), 'workers');
    await expect(it.table(queues).getByText(TABLE.footer(1, 1, 8))).toBeVisible();
    expect(await it.columns(queues)).toEqual([...detail.queues]);
    await expect(it.table(queues).getByRole('row').filter({ hasText: 'workers' })).toHaveCount(8);

    await it.page.getByRole('tab', { name: consumers }).click();
    await expect(it.table(consumers).getByRole('cell', { name: 'workers', exact: true })).toBeVisible();
    expect(await it.columns(consumers)).toEqual([...detail.consumers]);
    await it.table(consumers).getByRole('row').filter({ hasText: 'workers' }).getByRole('button').click();
    await expect(it.table('消费者查询').getByRole('cell', { name: /here-now/ })).toBeVisible();
    expect(await it.columns('消费者查询')).toEqual(['消费组名', '客户端IP', '类型', '版本', '实例名', '消费方式', '消费模式', '消费起始位置']);
    await it.page.keyboard.press('Escape');

    await it.page.getByRole('tab', { name: producers }).click();
    await expect(it.table(producers).getByText('CLIENT_INNER_PRODUCER')).toBeVisible();
    expect(await it.columns(producers)).toEqual([...detail.producers]);
    await it.table(producers).getByRole('row').filter({ hasText: 'CLIENT' }).getByRole('button').click();
    await expect(it.table('生产者管理').locator('tbody tr[data-row-key]').first()).toBeVisible();
    expect(await it.columns('生产者管理')).toEqual(['生产组名', 'IP', '实例名', '客户端语言', '版本信息']);
    await it.page.keyboard.press('Escape');
    // The tab is in the address.
    await it.page.reload();
    await expect(it.page.getByRole('tab', { name: producers })).toHaveAttribute('aria-selected', 'true');
  });

  test('a topic that nobody has consumed has the group of the guide; one that is not there is told', async ({ console: it }) => {
    await it.open(`${LIST}/audit-trail`);
    await expect(it.table(TOPICS.detail.tabs[0]).getByText('CONSOLE_INNER_QUEUE_GROUP').first()).toBeVisible();
    await it.go(`${LIST}/not-there`);
    await expect(it.page.getByText('No route info of this topic, not-there')).toBeVisible();
    await expect(it.page.getByRole('button', { name: '重试' })).toBeVisible();
  });

  test('「OFFSET查询」 finds a message and shows its body', async ({ console: it }) => {
    await it.open(`${LIST}/payments`);
    const queues = it.table(TOPICS.detail.tabs[0]);
    const row = queues.locator('tbody tr[data-row-key]').filter({ has: it.page.getByRole('cell', { name: 'ledger' }) });
    await expect(row).toHaveCount(4);
    const texts = await Promise.all((await row.all()).map((one) => one.getByRole('cell').allInnerTexts()));
    const full = texts.findIndex(([, , , produced]) => Number(produced) > 0);
    await row.nth(full).getByText(TOPICS.detail.queueAction).click();
    const dialog = it.page.getByRole('dialog', { name: TOPICS.offset.title });
    const found = await labels(dialog);
    expect(found.filter((label) => label !== 'Broker')).toEqual([...TOPICS.offset.fields]);
    await expect(dialog.locator('label.ant-form-item-required')).toHaveText(['topic', 'Broker', '队列ID', '偏移量']);
    const offset = dialog.getByLabel('偏移量');
    await offset.fill('-1');
    await dialog.getByRole('button', { name: '查询' }).click();
    await expect(dialog.getByText('请输入不小于0的整数')).toBeVisible();
    await offset.fill('0');
    await offset.press('Enter');
    await expect(dialog.locator('tbody tr[data-row-key]')).toHaveCount(1);
    expect((await it.columns(TOPICS.offset.title)).slice(0, -1)).toEqual([...MESSAGES.columns]);
    const states = Object.values(MESSAGES.states);
    expect(states).toContain((await dialog.locator('tbody tr[data-row-key] td').nth(-2).innerText()).trim());
    await dialog.getByText(MESSAGES.action, { exact: true }).click();
    await expect(it.page.getByRole('dialog').last().locator('pre')).toContainText('中文内容');
    await it.page.keyboard.press('Escape');
    await offset.fill('9000');
    await offset.press('Enter');
    await expect(dialog.getByRole('alert').first()).toBeVisible();
  });

  test('a viewer looks and changes nothing', async ({ console: it }) => {
    await it.open(LIST, { as: VIEWER });
    await expect(rowOf(it, 'orders')).toBeVisible();
    expect(await rowOf(it, 'orders').getByRole('cell').last().locator('a, button').allInnerTexts()).toEqual([...TOPICS.actions.slice(0, 4)]);
    await expect(it.page.getByRole('button', { name: TOPICS.buttons[1] })).toHaveCount(0);
    await act(it, 'orders', '堆积量');
    await expect(it.table(TOPICS.depth.title).getByText('workers').first()).toBeVisible();
  });

  test('a failure is told where the table is, and tried again', async ({ console: it }) => {
    const json = { code: 503, message: 'storage is not there', result: {} };
    await it.page.route('**/basedatas?*', (route) => route.fulfill({ status: 503, json }));
    await it.open(LIST);
    await expect(it.page.getByText('storage is not there')).toBeVisible();
    await it.page.unroute('**/basedatas?*');
    await it.page.getByRole('button', { name: '重试' }).click();
    await expect(rowOf(it, 'orders')).toBeVisible();
  });
});
