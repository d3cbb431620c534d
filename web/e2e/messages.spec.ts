import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { ack, receive, send } from './clients';
import { expect, LANGUAGES, test, type Console } from './fixtures';
import { MESSAGES, TABLE } from './guide';
import { VIEWER } from './seed';

const PATH = '/i/demo/messages';
const [byKey, byId, byOffset] = MESSAGES.tabs;

const fields = (it: Console) => it.page.getByRole('search').locator('label').allInnerTexts();
const search = (it: Console) => it.page.getByRole('button', { name: '查询', exact: true }).click();
const row = (it: Console, text: string) => it.table(MESSAGES.title).getByRole('row').filter({ hasText: text });

test.describe('S-22 6.9 消息查询', () => {
  test('has the tabs, fields and columns of the guide', async ({ console: it }) => {
    await it.open(PATH, { as: VIEWER });
    await expect(it.page.locator('main h1')).toHaveText(MESSAGES.title);
    expect(await it.page.getByRole('tab').allInnerTexts()).toEqual([...MESSAGES.tabs]);
    expect(await fields(it)).toEqual([...MESSAGES.fields.key]);
    await expect(it.table(MESSAGES.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    const columns = await it.columns(MESSAGES.title);
    expect(columns).toEqual([...MESSAGES.columns, MESSAGES.action]);
    const required = it.page.getByRole('search').locator('.ant-form-item-required');
    expect(await required.allInnerTexts()).toEqual(['topic', 'key']);
    await it.page.getByRole('tab', { name: byId }).click();
    await expect(it.page.getByLabel('MsgID')).toBeVisible();
    expect(await fields(it)).toEqual([...MESSAGES.fields.id]);
    await it.page.getByRole('tab', { name: byOffset }).click();
    await expect(it.page.getByLabel('队列ID')).toBeVisible();
    expect((await fields(it)).slice(0, 4)).toEqual([...MESSAGES.fields.offset]);
  });

  test('by key: all that have it, page by page, and what a group did with them', async ({ console: it, service }) => {
    for (const at of [1, 2, 3, 4, 5, 6]) {
      await send(service, 'audit-trail', { body: `m${at}`, tag: 'paged', keys: ['many'], properties: { at: String(at) } });
    }
    await it.open(`${PATH}?size=5`);
    await search(it);
    await expect(it.page.getByText('请输入topic')).toBeVisible();
    await expect(it.page.getByText('请输入key')).toBeVisible();
    await it.page.getByLabel('topic').fill('audit-trail');
    await it.page.getByLabel('key', { exact: true }).fill('many');
    await search(it);
    await expect(it.table(MESSAGES.title).getByRole('button', { name: /^查看/ })).toHaveCount(5);
    await expect(it.page.getByText(TABLE.footer(1, 2, 6))).toBeVisible();
    await it.page.getByRole('button', { name: '下一页' }).click();
    await expect(it.table(MESSAGES.title).getByRole('button', { name: /^查看/ })).toHaveCount(1);
    // A search is a place to go back from, and to.
    await it.page.goBack();
    await expect(it.table(MESSAGES.title).locator('.ant-empty-description')).toHaveText(TABLE.empty);
    await it.page.goForward();
    await expect(it.table(MESSAGES.title).getByRole('button', { name: /^查看/ })).not.toHaveCount(0);
  });

  test('by ID and by offset: the one, with its state for a group', async ({ console: it, service }) => {
    const sent = await send(service, 'invoices', { body: 'looked for', tag: 'one', keys: ['k-1'] });
    await it.open(PATH);
    const { page } = it;
    await page.getByRole('tab', { name: byId }).click();
    await search(it);
    await expect(page.getByText('请输入MsgID')).toBeVisible();
    await page.getByLabel('MsgID').fill('xyz');
    await search(it);
    await expect(page.getByText('应为 32、34 或 56 位十六进制数')).toBeVisible();
    // Either id, and however it was copied.
    await page.getByLabel('MsgID').fill(` ${sent.messageId.toLowerCase()} `);
    await page.getByLabel('订阅组名').fill('auditors');
    await search(it);
    const found = row(it, sent.offsetMessageId);
    for (const text of ['invoices', 'one', 'k-1', MESSAGES.states.TO_CONSUME]) {
      await expect(found.getByText(text, { exact: true })).toBeVisible();
    }
    await it.shot('messages-id', 'zh');

    const taken: Awaited<ReturnType<typeof receive>> = [];
    // One call need not give all that there is.
    await expect
      .poll(async () => {
        taken.push(...(await receive(service, 'auditors', 'invoices', { max: 256 })));
        return taken.map(({ messageId }) => messageId);
      })
      .toContain(sent.messageId);
    await page.getByRole('button', { name: '刷新' }).click();
    await expect(found.getByText(MESSAGES.states.CONSUMING, { exact: true })).toBeVisible();
    await ack(service, 'auditors', 'invoices', taken);
    await page.getByRole('button', { name: '刷新' }).click();
    await expect(found.getByText(MESSAGES.states.CONSUMED, { exact: true })).toBeVisible();

    await page.getByRole('tab', { name: byOffset }).click();
    await page.getByLabel('队列ID').fill('-1');
    await page.getByLabel('偏移量').fill('1.5');
    await search(it);
    await expect(page.getByText('请输入不小于 0 的整数')).toHaveCount(2);
    // A topic on several brokers: which one must be told.
    await expect(page.getByText('请输入Broker').or(page.getByText('请选择Broker'))).toBeVisible();
    await page.getByLabel('topic').fill('invoices');
    await page.getByLabel('队列ID').fill(String(sent.queueId));
    await page.getByLabel('偏移量').fill(String(sent.queueOffset));
    await page.getByLabel('Broker').click();
    await page.getByTitle(sent.broker, { exact: true }).click();
    await search(it);
    await expect(row(it, sent.offsetMessageId)).toBeVisible();
    await it.accessible();
    await it.shot('messages-offset', 'zh');
    await page.reload();
    await expect(row(it, sent.offsetMessageId)).toBeVisible();
  });

  test('what is not there is told in the words of the service', async ({ console: it }) => {
    await it.open(`${PATH}?tab=id&id=${'0'.repeat(32)}`);
    await expect(it.page.getByRole('alert')).toBeVisible();
    await it.page.getByLabel('订阅组名').fill('nobody');
    await it.page.getByRole('tab', { name: byKey }).click();
    await it.page.getByLabel('topic').fill('no-such-topic');
    await it.page.getByLabel('key', { exact: true }).fill('k');
    await search(it);
    await expect(it.page.getByRole('alert').filter({ hasText: 'no-such-topic' })).toBeVisible();
  });

  test('「查看」 shows text, JSON and hex, and the body can be taken along', async ({ console: it, service }) => {
    const json = await send(service, 'audit-trail', { body: '{"a":[1],"note":"中文"}', keys: ['viewed'] });
    await it.open(`${PATH}?tab=id&id=${json.offsetMessageId}`);
    const { page } = it;
    const dialog = page.getByRole('dialog');
    await row(it, json.offsetMessageId).getByRole('button', { name: /^查看/ }).click();
    await expect(dialog.getByText('"note": "中文"')).toBeVisible();
    await it.accessible();
    await it.shot('messages-body', 'zh');
    await dialog.getByRole('tab', { name: '文本' }).click();
    await expect(dialog.getByText('{"a":[1],"note":"中文"}')).toBeVisible();
    await dialog.getByRole('tab', { name: '十六进制' }).click();
    await expect(dialog.getByText('00000000  7b 22 61 22')).toBeVisible();
    const download = page.waitForEvent('download');
    await dialog.getByRole('button', { name: '下载' }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe(`${json.offsetMessageId}.bin`);
    expect(readFileSync(await file.path(), 'utf8')).toBe('{"a":[1],"note":"中文"}');
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
  });

  test('a body that is no text is shown as bytes, and one that markup is in as text', async ({ console: it, service }) => {
    const bytes = await send(service, 'audit-trail', { bodyBase64: 'AAECA/8=' });
    await it.open(`${PATH}?tab=id&id=${bytes.offsetMessageId}`);
    const dialog = it.page.getByRole('dialog');
    await row(it, bytes.offsetMessageId).getByRole('button', { name: /^查看/ }).click();
    await expect(dialog.getByText('00 01 02 03 ff')).toBeVisible();
    await expect(dialog.getByRole('tab')).toHaveCount(1);
    const markup = await send(service, 'audit-trail', { body: '<img src=x onerror=alert(1)>' });
    await it.go(`${PATH}?tab=id&id=${markup.offsetMessageId}`);
    await row(it, markup.offsetMessageId).getByRole('button', { name: /^查看/ }).click();
    await expect(dialog.getByText('<img src=x onerror=alert(1)>')).toBeVisible();
    await expect(dialog.locator('img')).toHaveCount(0);
  });

  test('can be read in the dark', async ({ console: it, service }) => {
    const sent = await send(service, 'audit-trail', { body: '{"a":1}' });
    await it.page.addInitScript(() => localStorage.setItem('firn.colours', 'dark'));
    await it.open(`${PATH}?tab=id&id=${sent.offsetMessageId}`);
    await row(it, sent.offsetMessageId).getByRole('button', { name: /^查看/ }).click();
    await expect(it.page.getByRole('dialog').getByText('"a": 1')).toBeVisible();
    await it.accessible();
    await it.shot('messages-dark', 'zh');
  });

  test('a packed body is unpacked', async ({ console: it, service }) => {
    const response = await fetch(`${service.api}/v1/instances/demo/topics/audit-trail/messages`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`,
        'content-type': 'text/plain',
        'firn-content-encoding': 'gzip',
      },
      body: gzipSync('packed text'),
    });
    const { results } = (await response.json()) as { results: [{ offsetMessageId: string }] };
    await it.open(`${PATH}?tab=id&id=${results[0].offsetMessageId}`);
    await row(it, results[0].offsetMessageId).getByRole('button', { name: /^查看/ }).click();
    await expect(it.page.getByRole('dialog').getByText('packed text')).toBeVisible();
    await expect(it.page.getByRole('dialog').getByText('此处为解压后的内容')).toBeVisible();
  });

  for (const language of LANGUAGES) {
    test(`can be used by everybody (${language})`, async ({ console: it }) => {
      await it.open(`${PATH}?tab=key&topic=orders&key=order-3&group=workers`, { language });
      await expect(it.page.getByText('order-3', { exact: true }).first()).toBeVisible();
      await it.accessible();
      await it.shot('messages', language);
      await it.page.setViewportSize({ width: 390, height: 800 });
      await it.accessible();
      await it.shot('messages-390', language);
    });
  }
});
