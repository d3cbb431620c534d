import type { Locator } from '@playwright/test';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { PROBE } from './guide';
import { VIEWER } from './seed';

const BASE = '/i/demo/probe';

function panel(it: Console, tab: string): Locator {
  return it.page.getByRole('tabpanel', { name: tab });
}

async function choose(it: Console, field: Locator, text: string): Promise<void> {
  await field.click();
  await it.page.locator('.ant-select-dropdown:visible .ant-select-item-option').filter({ hasText: new RegExp(`^${text}`) }).click();
}

/** Finds a topic by typing a part of its name, as the placeholder says. */
async function find(field: Locator, part: string): Promise<void> {
  await field.click();
  await field.fill(part);
  await field.press('Enter');
}

async function column(results: Locator, at: number): Promise<string[]> {
  return results.locator('tbody tr.ant-table-row').evaluateAll(
    (rows, index) => rows.map((row) => row.children[index]?.textContent ?? ''),
    at,
  );
}

interface Produced {
  topic: string;
  type?: string;
  count: number;
}

/** Ids of messages that the page has sent. */
async function produce(it: Console, { topic, type, count }: Produced): Promise<string[]> {
  const form = panel(it, PROBE.tabs[0]);
  if (type !== undefined) {
    await choose(it, form.getByLabel('消息类型'), type);
  }
  await form.getByLabel('消息数量').fill(String(count));
  await find(form.getByLabel('选择Topic'), topic);
  await form.getByRole('button', { name: PROBE.button, exact: true }).click();
  await expect(form.getByText(`已发送 ${count} / ${count}`)).toBeVisible({ timeout: 20_000 });
  const results = it.table('生产测试 测试结果');
  expect(await column(results, 1)).toEqual(Array.from({ length: count }, () => PROBE.produce.status));
  expect(new Set(await column(results, 2))).toEqual(new Set([topic]));
  return column(results, 0);
}

test.describe('S-22 6.5.1 拨测页面', () => {
  test('has the tabs, fields and columns of the guide', async ({ console: it }) => {
    await it.open(BASE);
    const { page } = it;
    await expect(page.locator('main h1')).toHaveText(PROBE.title);
    await expect(page.getByRole('tab')).toHaveText([...PROBE.tabs]);
    for (const [at, { fields, columns }] of [PROBE.produce, PROBE.consume].entries()) {
      const tab = PROBE.tabs[at] ?? '';
      await page.getByRole('tab', { name: tab }).click();
      const labels = await panel(it, tab).locator('.ant-form-item-label label').allInnerTexts();
      expect(labels.map((text) => text.trim())).toEqual([...fields]);
      expect(await it.columns(`${tab} 测试结果`)).toEqual([...columns]);
      await expect(panel(it, tab).getByText(PROBE.produce.placeholder)).toBeVisible();
      await expect(panel(it, tab).getByRole('button', { name: PROBE.button, exact: true })).toBeVisible();
      await expect(panel(it, tab).getByLabel('消息数量')).toHaveValue('1');
    }
    await page.getByRole('tab', { name: PROBE.tabs[0] }).click();
    await expect(panel(it, PROBE.tabs[0]).getByLabel('消息大小(KB)')).toHaveValue('1');
    await panel(it, PROBE.tabs[0]).getByLabel('消息类型').click();
    await expect(page.locator('.ant-select-dropdown:visible .ant-select-item-option')).toHaveText([...PROBE.produce.types]);
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(BASE, { language });
      const { page } = it;
      for (const [tab, shot] of ['probe-produce', 'probe-consume'].entries()) {
        await page.getByRole('tab').nth(tab).click();
        await expect(page.getByRole('tabpanel')).toBeVisible();
        await it.accessible();
        await it.shot(shot, language);
      }
      await page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('probe-390', language);
    });
  }

  test('says what is wrong at its field, and sends nothing', async ({ console: it }) => {
    await it.open(BASE);
    const { page } = it;
    const calls: string[] = [];
    page.on('request', (request) => request.method() === 'POST' && calls.push(request.url()));
    const form = panel(it, PROBE.tabs[0]);
    const test = form.getByRole('button', { name: PROBE.button, exact: true });
    await test.click();
    await expect(form.getByText('请选择Topic', { exact: true })).toBeVisible();
    for (const bad of ['0', '101', '1.5', '-3', '']) {
      await form.getByLabel('消息数量').fill(bad);
      await expect(form.getByText('请输入1到100的整数')).toBeVisible();
    }
    await form.getByLabel('消息数量').fill('1');
    await form.getByLabel('消息大小(KB)').fill('513');
    await expect(form.getByText('请输入1到512的整数')).toBeVisible();
    await form.getByLabel('消息大小(KB)').fill('1');
    await find(form.getByLabel('选择Topic'), 'payments');
    await test.click();
    await expect(form.getByText('该Topic不接收普通消息')).toBeVisible();
    await choose(it, form.getByLabel('消息类型'), '有序消息');
    await expect(form.getByText('该Topic不接收')).toHaveCount(0);

    await page.getByRole('tab', { name: PROBE.tabs[1] }).click();
    const consume = panel(it, PROBE.tabs[1]);
    await consume.getByRole('button', { name: PROBE.button, exact: true }).click();
    await expect(consume.getByText('请选择Topic', { exact: true })).toBeVisible();
    await expect(consume.getByText('请选择订阅组', { exact: true })).toBeVisible();
    expect(calls).toEqual([]);
  });

  test('a viewer is told that viewers do not send or receive', async ({ console: it }) => {
    await it.open(BASE, { as: VIEWER });
    await expect(it.page.getByText('只读用户不能收发消息。').first()).toBeVisible();
    await expect(it.page.getByRole('button', { name: PROBE.button, exact: true })).toHaveCount(0);
  });
});

test.describe('S-23 拨测', () => {
  for (const way of ['pull', 'push']) {
    for (const order of ['无序', '有序']) {
      test(`n produced, n consumed, by ${way}, ${order}`, async ({ console: it, service }) => {
        await it.open(BASE);
        const group = `probe_${way}_${order === '有序' ? 'strict' : 'none'}`;
        const call = authorized(it, service.api);
        await call('POST', '/groups', { name: group, start: 'latest' });
        // The group is there from its first look: what was stored before is not its own.
        await call('POST', `/groups/${group}/topics/audit-trail/receive`, { max: 1 });
        const ids = await produce(it, { topic: 'audit-trail', count: 3 });
        expect(new Set(ids).size).toBe(3);

        await it.go(`${BASE}?tab=consume&topic=audit-trail`);
        const form = panel(it, PROBE.tabs[1]);
        await choose(it, form.getByLabel('消费顺序'), order);
        await choose(it, form.getByLabel('消费方式'), way);
        await form.getByLabel('消息数量').fill('3');
        await find(form.getByLabel('订阅组名'), group);
        await form.getByRole('button', { name: PROBE.button, exact: true }).click();
        await expect(form.getByText('已消费 3 / 3')).toBeVisible({ timeout: 30_000 });
        const results = it.table('消费测试 测试结果');
        const consumed = await column(results, 0);
        expect([...consumed].sort()).toEqual([...ids].sort());
        expect(new Set(await column(results, 1))).toEqual(new Set(['audit-trail']));
        for (const at of [2, 3]) {
          expect((await column(results, at))[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
        }
        expect(await column(results, 5)).toEqual(Array.from({ length: 3 }, () => PROBE.consume.status));
        await it.shot(`probe-consumed-${way}`, 'zh');
        // Acknowledged, not only looked at.
        const lag = (await call('GET', `/groups/${group}/lag`)) as { lag: number };
        expect(lag.lag).toBe(0);
        const [id = ''] = consumed;
        const message = (await call('GET', `/messages/${id}`)) as { tag: string; keys: string[]; body: string };
        expect(message.tag).toBe('webtest');
        expect(message.body).toHaveLength(1024);
        expect(message.body.trimEnd()).toBe(`WebTestTools_${message.keys[0] ?? ''}`);
        expect(message.keys[0]).toMatch(/^\d{13}$/);
      });
    }
  }

  for (const [type, topic] of [['有序消息', 'payments'], ['延时消息', 'reminders'], ['事务消息', 'transfers']] as const) {
    test(`${type} are sent`, async ({ console: it }) => {
      await it.open(BASE);
      const ids = await produce(it, { topic, type, count: 2 });
      expect(new Set(ids).size).toBe(2);
      expect(ids.every((id) => /^[0-9A-F]{32}$/.test(id))).toBe(true);
    });
  }

  test('a hundred of the largest are sent', async ({ console: it }) => {
    await it.open(BASE);
    await panel(it, PROBE.tabs[0]).getByLabel('消息大小(KB)').fill('512');
    expect(await produce(it, { topic: 'invoices', count: 100 })).toHaveLength(100);
    await it.shot('probe-produced', 'zh');
  });

  test('with nothing to consume it says so, and a refusal is shown', async ({ console: it, service }) => {
    await it.open(`${BASE}?tab=consume&topic=reminders`);
    const call = authorized(it, service.api);
    await call('POST', '/groups', { name: 'probe_off', enabled: false });
    await call('POST', '/groups', { name: 'probe_empty', start: 'latest' });
    await it.page.reload();
    const form = panel(it, PROBE.tabs[1]);
    const test = form.getByRole('button', { name: PROBE.button, exact: true });
    await find(form.getByLabel('订阅组名'), 'probe_off');
    await test.click();
    await expect(form.getByRole('alert').filter({ hasText: 'GROUP_DISABLED' })).toBeVisible();
    await find(form.getByLabel('订阅组名'), 'probe_empty');
    await test.click();
    await expect(form.getByText('没有更多可消费的消息')).toBeVisible({ timeout: 20_000 });
  });
});

/** Calls of the native API for the instance, as the application user of the seed. */
function authorized(it: Console, api: string) {
  const authorization = `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`;
  return async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await it.page.request.fetch(`${api}/v1/instances/demo${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { data: body }),
    });
    expect(response.ok(), await response.text()).toBe(true);
    return response.json();
  };
}
