// What the Node library rocketmq-client-nodejs 1.0.8 does with the service at FIRN_GRPC.
const { Producer, SimpleConsumer, PushConsumer, ConsumeResult, FilterExpression } = require('rocketmq-client-nodejs');
const pb = require('rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb');
const endpoints = process.env.FIRN_GRPC, namespace = '';
const quiet = { info() {}, warn() {}, error() {}, debug() {}, log() {} };
const common = { endpoints, namespace, logger: quiet, sessionCredentials: { accessKey: 'demo', accessSecret: 'demo-secret' } };
let failed = 0;
const check = (n, g, w) => { console.log(g ? `ok ${n}` : `FAIL ${n} ${JSON.stringify(w)}`); if (!g) failed++; };
const sleep = ms => new Promise(r => setTimeout(r, ms));
const run = 'n' + Date.now();
const within = (p, s, n) => Promise.race([p, sleep(s * 1000).then(() => { throw new Error(n + ' timed out'); })]);
async function main() {
  const p = new Producer({ ...common, topics: ['normal', 'fifo', 'delay'] });
  await within(p.startup(), 20, 'producer start with three topics');
  check('producer start', true);
  const c = new SimpleConsumer({ ...common, consumerGroup: 'g', subscriptions: new Map([['normal', run]]), awaitDuration: 2000 });
  await within(c.startup(), 20, 'consumer start');
  const r = await p.send({ topic: 'normal', tag: run, keys: ['k'], properties: new Map([['p', 'v']]), body: Buffer.from('hello') });
  let got = [];
  for (let i = 0; i < 10 && !got.length; i++) got = await c.receive(16, 20000);
  check('send receive', got.length === 1 && got[0].body.toString() === 'hello' && got[0].messageId === r.messageId && got[0].properties.get('p') === 'v' && !got[0].corrupted, got);
  for (const m of got) await c.ack(m);
  check('acked', (await c.receive(16, 20000)).length === 0);
  const d = await p.send({ topic: 'delay', tag: run, delay: 6000, body: Buffer.from('late') });
  const back = await p.recallMessage('delay', d.recallHandle);
  check('recall', back.messageId === d.messageId, back);
  const order = [], tries = {};
  const fifo = new PushConsumer({ ...common, consumerGroup: 'g-fifo', subscriptions: new Map([['fifo', run]]), messageListener: { async consume(m) { const t = m.body.toString(); tries[t] = (tries[t] || 0) + 1; if (t === '3' && tries[t] === 1) return ConsumeResult.FAILURE; order.push(t); return ConsumeResult.SUCCESS; } } });
  await within(fifo.startup(), 20, 'fifo push start');
  for (let i = 0; i < 8; i++) await p.send({ topic: 'fifo', tag: run, messageGroup: 'one', body: Buffer.from('' + i) });
  for (let i = 0; i < 300 && order.length < 8; i++) await sleep(100);
  check('fifo push', order.join('') === '01234567' && tries['3'] === 2, { order, tries });
  await fifo.shutdown();
  const seen = {};
  const push = new PushConsumer({ ...common, consumerGroup: 'g-push', subscriptions: new Map([['normal', run + 'p']]), messageListener: { async consume(m) { const t = m.body.toString(); (seen[t] = seen[t] || []).push(Date.now()); return t === '2' && seen[t].length === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS; } } });
  await within(push.startup(), 20, 'push start');
  for (let i = 0; i < 5; i++) await p.send({ topic: 'normal', tag: run + 'p', body: Buffer.from('' + i) });
  for (let i = 0; i < 400 && Object.values(seen).flat().length < 6; i++) await sleep(100);
  const twice = seen['2'] || [];
  check('push', Object.keys(seen).length === 5 && twice.length === 2, seen);
  check('push pause', twice[1] - twice[0] >= 9000, twice[1] - twice[0]);
  await push.shutdown();
  const asked = [];
  const tp = new Producer({ ...common, topics: ['tx'], checker: { async check(m) { asked.push(m.body.toString()); return pb.TransactionResolution.COMMIT; } } });
  await within(tp.startup(), 20, 'tx start');
  const tc = new SimpleConsumer({ ...common, consumerGroup: 'g', subscriptions: new Map([['tx', run]]), awaitDuration: 2000 });
  await tc.startup();
  for (const n of ['commit', 'rollback', 'orphan']) {
    const t = tp.beginTransaction();
    await tp.send({ topic: 'tx', tag: run, body: Buffer.from(n) }, t);
    if (n === 'commit') await t.commit(); else if (n === 'rollback') await t.rollback();
  }
  const tx = new Set();
  for (let i = 0; i < 20 && tx.size < 2; i++) for (const m of await tc.receive(16, 20000)) { tx.add(m.body.toString()); await tc.ack(m); }
  check('transactions', [...tx].sort().join() === 'commit,orphan' && asked.join() === 'orphan', { tx: [...tx], asked });
  for (const x of [c, tc, p, tp]) await x.shutdown();
  const bad = new Producer({ ...common, sessionCredentials: { accessKey: 'demo', accessSecret: 'x' }, topics: ['normal'] });
  try { await within(bad.startup(), 20, 'bad start'); check('wrong secret', false); } catch (e) { check('wrong secret', !/timed out/.test(e.message), e.message); console.log('   told:', e.message, '|', e.cause && e.cause.cause && e.cause.cause.message); }
  console.log(failed, 'failed'); process.exit(failed);
}
main().catch(e => { console.log('FAIL', e); process.exit(1); });
