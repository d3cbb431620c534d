/** What there is to see: made by the bootstrap file and by calls that any client could make. */
import type { Service } from './service';
import { OPERATOR } from './service';

export const TENANT = '2';
export const INSTANCE = 'demo';
export const ADMIN = { tenant: TENANT, username: 'alice', password: 'alice-password' } as const;
export const VIEWER = { tenant: TENANT, username: 'victor', password: 'victor-password' } as const;

const group = (name: string, more = '') => `
[[tenant.instance.group]]
name = "${name}"
${more}`;
const topic = (name: string, type: string, queues = 4) => `
[[tenant.instance.topic]]
name = "${name}"
type = "${type}"
queues = ${queues}`;

export const BOOTSTRAP = `
[[tenant]]
id = ${TENANT}
name = "acme"

[[tenant.instance]]
name = "${INSTANCE}"
plan = "basic"
brokers = ["a", "b"]
durability = "local"

[[tenant.instance.user]]
access_key = "demo"
secret_key = "demo-secret"
topics = []
${topic('orders', 'normal')}
${topic('payments', 'fifo', 2)}
${topic('reminders', 'delay')}
${topic('transfers', 'transaction')}
${topic('invoices', 'normal', 1)}
${topic('audit-trail', 'normal', 1)}
${group('workers')}
${group('auditors')}
${group('ledger', 'ordered = true')}
${group('fragile', 'max_retries = 0')}

[[tenant.instance]]
name = "archive"
plan = "serverless"
brokers = ["a"]
durability = "local"
`;

interface Message {
  receiptHandle: string;
}

/** A call of the API; throws when it is refused. */
async function post(url: string, credentials: string, body: unknown): Promise<unknown> {
  const headers = { authorization: credentials, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(`${url}: ${response.status} ${await response.text()}`);
  }
  return response.status === 204 ? null : response.json();
}

const text = (name: string, at: number) => JSON.stringify({ name, at, note: '中文内容' });

/** Console users, and traffic: sent, received, acknowledged, failed, delayed, half done. */
export async function seed({ api }: Service): Promise<void> {
  const { username, password } = OPERATOR;
  const login = (await post(`${api}/v1/auth/login`, '', { username, password })) as { token: string };
  for (const [person, role] of [[ADMIN, 'admin'], [VIEWER, 'viewer']] as const) {
    const body = { username: person.username, password: person.password, role };
    await post(`${api}/v1/tenants/${TENANT}/users`, `Bearer ${login.token}`, body);
  }
  const basic = `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`;
  const at = `${api}/v1/instances/${INSTANCE}`;
  const send = (topicName: string, messages: object[]) =>
    post(`${at}/topics/${topicName}/messages`, basic, { messages });
  const receive = async (groupName: string, topicName: string, max: number) => {
    const body = { max, waitSeconds: 5, consumerId: `${groupName}-1` };
    const got = await post(`${at}/groups/${groupName}/topics/${topicName}/receive`, basic, body);
    return (got as { messages: Message[] }).messages;
  };
  const many = (count: number, make: (at: number) => object) => Array.from({ length: count }, (_, n) => make(n));
  await send('orders', many(40, (n) => ({ body: text('order', n), tag: n % 2 ? 'new' : 'paid', keys: [`order-${n}`] })));
  await send('payments', many(12, (n) => ({ body: text('payment', n), messageGroup: `account-${n % 3}` })));
  await send('invoices', many(7, (n) => ({ body: text('invoice', n), keys: [`invoice-${n}`] })));
  await send('reminders', [{ body: 'later', deliverAt: Date.now() + 3_600_000 }]);
  await post(`${at}/topics/transfers/transactions`, basic, { body: text('transfer', 1), checkAfterSeconds: 3600 });

  const taken = await receive('workers', 'orders', 16);
  const receiptHandles = taken.slice(0, 10).map((message) => message.receiptHandle);
  await post(`${at}/groups/workers/topics/orders/ack`, basic, { receiptHandles });
  await receive('auditors', 'orders', 4);
  await receive('ledger', 'payments', 3);
  // Not one more delivery: these are dead letters at once.
  for (const { receiptHandle } of await receive('fragile', 'invoices', 3)) {
    const body = { receiptHandle, invisibleSeconds: 0 };
    await post(`${at}/groups/fragile/topics/invoices/visibility`, basic, body);
  }
}
