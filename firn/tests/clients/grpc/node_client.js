// What a program does that uses npm's `rocketmq-client-nodejs`. Started by run.py.
'use strict';

const crypto = require('crypto');
const { Producer, SimpleConsumer, PushConsumer, ConsumeResult, FilterExpression } = require('rocketmq-client-nodejs');
const { FilterType, TransactionResolution } = require('rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb');
const { check, groupOf, refused, restart, sleep, sorted, text, topicOf, until, within } = require('./node_support');

const FEATURE_MS = 25000;
const AWAIT_MS = 1000; // how long one receive waits for messages
const INVISIBLE_MS = 2000;
const DEMO = { accessKey: 'demo', accessSecret: 'demo-secret' };
const LIMITED = { accessKey: 'limited', accessSecret: 'limited-secret' };

// Without one the library writes a file in the home directory.
const logger = { debug() {}, info() {}, warn() {}, error() {} };

// What is common to producers and consumers.
const options = (more) => ({
  endpoints: process.env.FIRN_GRPC, namespace: 'demo', sessionCredentials: DEMO, logger, ...more,
});

const running = [];
async function started(client) {
  running.push(client);
  await client.startup();
  return client;
}

const producer = (topic, more) => started(new Producer(options({ topics: [topic], ...more })));

const consumer = (feature, filter = '*', more = {}) => started(new SimpleConsumer(options({
  consumerGroup: groupOf(feature), subscriptions: new Map([[topicOf(feature), filter]]), awaitDuration: AWAIT_MS, ...more,
})));

const pushConsumer = (feature, consume) => started(new PushConsumer(options({
  consumerGroup: groupOf(feature), subscriptions: new Map([[topicOf(feature), '*']]), messageListener: { consume },
})));

async function shutdownAll() {
  for (const client of running.splice(0)) {
    // A push consumer waits for the end of its polls, which takes up to 20 s.
    const done = client.shutdown();
    if (client instanceof PushConsumer) done.catch((error) => console.error(error.message));
    else await done;
  }
}

// Acknowledged messages, until there are as many.
async function collect(from, wanted, invisibleMs = 20000) {
  const got = [];
  while (got.length < wanted) {
    for (const message of await from.receive(16, invisibleMs)) {
      await from.ack(message);
      got.push(message);
    }
  }
  return got;
}

// Nothing is left, nor comes within the time of one receive.
async function nothingElse(from) {
  const more = await from.receive(16, 20000);
  check(more.length === 0, `${more.length} more: ${more.map(text)}`);
}

async function transaction(feature, decide, delivered) {
  const topic = topicOf(feature);
  const p = await producer(topic, { checker: { check: async () => TransactionResolution.COMMIT } });
  const c = await consumer(feature);
  const open = p.beginTransaction();
  const receipt = await p.send({ topic, body: Buffer.from(feature) }, open);
  check(receipt.transactionId, receipt);
  await nothingElse(c);
  await open[decide]();
  const got = await collect(c, delivered);
  check(got.every((one) => one.messageId === receipt.messageId), got);
  await nothingElse(c);
}

const features = {
  async normal(topic) {
    const p = await producer(topic);
    const c = await consumer('normal');
    const sent = new Map();
    for (const body of ['one', 'two', 'three']) {
      const receipt = await p.send({ topic, body: Buffer.from(body) });
      sent.set(receipt.messageId, body);
    }
    const got = await collect(c, 3, INVISIBLE_MS);
    for (const one of got) check(one.topic === topic && text(one) === sent.get(one.messageId), one);
    check(new Set(got.map((one) => one.messageId)).size === 3, 'one came twice');
    // Without an acknowledgement they would come again.
    await sleep(INVISIBLE_MS);
    await nothingElse(c);
  },

  async properties(topic) {
    const p = await producer(topic);
    const c = await consumer('properties');
    const given = { tag: 'red', keys: ['order-1', 'order-2'], properties: new Map([['colour', 'dark red'], ['size', 'größer 大']]) };
    await p.send({ topic, body: Buffer.from('x'), ...given });
    const [one] = await collect(c, 1);
    check(one.tag === given.tag && one.keys.join() === given.keys.join(), one);
    check(sorted([...one.properties].flat()) === sorted([...given.properties].flat()), [...one.properties]);
    check(one.deliveryAttempt === 1 && one.bornTimestamp && one.bornHost, one);
  },

  async bodies(topic) {
    const p = await producer(topic);
    const c = await consumer('bodies');
    const bodies = [
      Buffer.from([0]), Buffer.from(Array.from(Array(256).keys())), Buffer.from('äöü 消息 😀'),
      crypto.randomBytes(200 * 1024), Buffer.alloc(64 * 1024, 'again '),
    ];
    const sent = new Map();
    for (const body of bodies) sent.set((await p.send({ topic, body })).messageId, body);
    const got = await collect(c, bodies.length);
    for (const one of got) {
      check(!one.corrupted && one.body.equals(sent.get(one.messageId)), `another body of ${one.body.length} bytes`);
    }
    check(new Set(got.map((one) => one.messageId)).size === bodies.length, 'one came twice');
  },

  async tags(topic) {
    const p = await producer(topic);
    const c = await consumer('tags', 'A || B');
    for (const tag of ['C', 'A', 'AB', 'B', undefined]) await p.send({ topic, tag, body: Buffer.from(`${tag}`) });
    check(sorted((await collect(c, 2)).map(text)) === 'A,B', 'others came');
    await nothingElse(c);
  },

  async sql92(topic) {
    const p = await producer(topic);
    const c = await consumer('sql92', new FilterExpression("price > 5 AND region = 'eu'", FilterType.SQL));
    for (const [price, region] of [['6', 'eu'], ['5', 'eu'], ['9', 'us'], ['10', 'eu']]) {
      const properties = new Map([['price', price], ['region', region]]);
      await p.send({ topic, properties, body: Buffer.from(price + region) });
    }
    await p.send({ topic, body: Buffer.from('without') });
    check(sorted((await collect(c, 2)).map(text)) === '10eu,6eu', 'others came');
    await nothingElse(c);
  },

  async batch_receive(topic) {
    const p = await producer(topic);
    const c = await consumer('batch_receive');
    for (let n = 0; n < 16; n++) await p.send({ topic, body: Buffer.from(`${n}`) });
    const got = await c.receive(16, 20000);
    check(got.length > 1, `${got.length} messages in one receive`);
    for (const one of got) await c.ack(one);
    got.push(...await collect(c, 16 - got.length));
    check(new Set(got.map(text)).size === 16, got.map(text));
    await nothingElse(c);
  },

  async fifo(topic) {
    const p = await producer(topic);
    const done = { red: [], green: [], blue: [] };
    let failed = 0;
    await pushConsumer('fifo', async (message) => {
      if (text(message) === '2' && message.messageGroup === 'green' && failed++ === 0) return ConsumeResult.FAILURE;
      done[message.messageGroup].push(text(message));
      return ConsumeResult.SUCCESS;
    });
    for (let n = 0; n < 5; n++) {
      for (const messageGroup of Object.keys(done)) await p.send({ topic, messageGroup, body: Buffer.from(`${n}`) });
    }
    await until(() => Object.values(done).flat().length >= 15);
    check(failed === 2, `the message that failed was tried ${failed} times`);
    for (const order of Object.values(done)) check(order.join('') === '01234', done);
  },

  async delay(topic) {
    const p = await producer(topic);
    const c = await consumer('delay');
    const deliveryTimestamp = new Date(Date.now() + 2000);
    const { messageId } = await p.send({ topic, deliveryTimestamp, body: Buffer.from('later') });
    const [one] = await collect(c, 1);
    check(Date.now() >= deliveryTimestamp.getTime(), `${deliveryTimestamp - Date.now()} ms early`);
    check(one.messageId === messageId && one.deliveryTimestamp.getTime() === deliveryTimestamp.getTime(), one);
  },

  async recall(topic) {
    const p = await producer(topic);
    const c = await consumer('recall');
    const recalled = await p.send({ topic, delay: 2000, body: Buffer.from('recalled') });
    await p.send({ topic, delay: 3000, body: Buffer.from('kept') });
    const { messageId } = await p.recallMessage(topic, recalled.recallHandle);
    check(messageId === recalled.messageId, messageId);
    const [one] = await collect(c, 1);
    check(text(one) === 'kept', text(one));
    await nothingElse(c);
  },

  transaction_commit: () => transaction('transaction_commit', 'commit', 1),
  transaction_rollback: () => transaction('transaction_rollback', 'rollback', 0),

  async transaction_check(topic) {
    const asked = [];
    const checker = { async check(message) { asked.push(message.messageId); return TransactionResolution.COMMIT; } };
    const p = await producer(topic, { checker });
    const c = await consumer('transaction_check');
    const { messageId } = await p.send({ topic, body: Buffer.from('open') }, p.beginTransaction());
    await nothingElse(c);
    const [one] = await collect(c, 1);
    check(one.messageId === messageId && asked.join() === messageId, { messageId, asked, got: one.messageId });
  },

  async change_invisible(topic) {
    const p = await producer(topic);
    const c = await consumer('change_invisible');
    for (const body of ['acknowledged', 'left']) await p.send({ topic, body: Buffer.from(body) });
    const taken = [];
    let from;
    while (taken.length < 2) {
      for (const message of await c.receive(16, INVISIBLE_MS)) {
        from = Date.now();
        await c.changeInvisibleDuration(message, 5000);
        taken.push(message);
      }
    }
    await c.ack(taken.find((one) => text(one) === 'acknowledged'));
    const [again] = await collect(c, 1);
    const after = Date.now() - from;
    check(text(again) === 'left' && again.deliveryAttempt === 2, again);
    check(after >= 4000, `seen again after ${after} ms`);
    await nothingElse(c);
  },

  async push_consumer(topic) {
    const p = await producer(topic);
    const seen = [];
    let now = 0;
    let most = 0;
    await pushConsumer('push_consumer', async (message) => {
      most = Math.max(most, ++now);
      await sleep(20);
      now--;
      seen.push(text(message));
      return ConsumeResult.SUCCESS;
    });
    await Promise.all(Array.from({ length: 50 }, (_, n) => p.send({ topic, body: Buffer.from(`${n}`) })));
    await until(() => seen.length >= 50);
    await sleep(1000);
    check(seen.length === 50 && new Set(seen).size === 50, seen);
    check(most > 1, 'one at a time');
  },

  async redelivery(topic) {
    const p = await producer(topic);
    const tries = [];
    await pushConsumer('redelivery', async (message) => {
      tries.push([message.messageId, message.deliveryAttempt]);
      return tries.length === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
    });
    const { messageId } = await p.send({ topic, body: Buffer.from('again') });
    await until(() => tries.length >= 2);
    await sleep(1000);
    check(JSON.stringify(tries) === JSON.stringify([[messageId, 1], [messageId, 2]]), tries);
  },

  async dead_letter(topic) {
    const p = await producer(topic);
    let tries = 0;
    await pushConsumer('dead_letter', async () => {
      tries += 1;
      return ConsumeResult.FAILURE;
    });
    const { messageId } = await p.send({ topic, body: Buffer.from('bad') });
    const query = `from=${Date.now() - 60000}&to=${Date.now() + 60000}`;
    const url = `${process.env.FIRN_HTTP}/v1/instances/demo/topics/%25DLQ%25${groupOf('dead_letter')}/messages?${query}`;
    const authorization = `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`;
    let dead = [];
    while (dead.length === 0) {
      await sleep(200);
      const answer = await fetch(url, { headers: { authorization } });
      dead = (await answer.json()).messages || [];
    }
    check(dead.length === 1 && dead[0].messageId === messageId && dead[0].body === 'bad', dead);
    check(tries === 2, `${tries} tries`);
  },

  async wrong_secret(topic) {
    const sessionCredentials = { ...DEMO, accessSecret: 'wrong' };
    await refused(40100, () => producer(topic, { sessionCredentials }));
  },

  async unknown_topic(topic) {
    const p = await started(new Producer(options()));
    await refused(40402, () => p.send({ topic, body: Buffer.from('x') }));
    const c = await started(new SimpleConsumer(options({ consumerGroup: groupOf('unknown_topic'), subscriptions: new Map() })));
    await refused(40402, () => c.subscribe(topic, FilterExpression.SUB_ALL));
  },

  async topic_without_right(topic) {
    const p = await started(new Producer(options({ sessionCredentials: LIMITED })));
    await refused(40300, () => p.send({ topic, body: Buffer.from('x') }));
    await refused(40300, () => consumer('topic_without_right', '*', { sessionCredentials: LIMITED }));
  },

  async wrong_type(topic) {
    const p = await producer(topic);
    // The library itself compares it with what the route says.
    const error = await p.send({ topic, messageGroup: 'red', body: Buffer.from('x') }).catch((it) => it);
    check(error instanceof TypeError && /message type not match/.test(error.message), error);
  },

  async concurrent(topic) {
    const p = await producer(topic);
    const c = await consumer('concurrent');
    let next = 0;
    async function sender() {
      while (next < 500) await p.send({ topic, body: Buffer.from(`${next++}`) });
    }
    const seen = [];
    async function receiver() {
      while (seen.length < 500) {
        for (const message of await c.receive(16, 20000)) {
          await c.ack(message);
          seen.push(text(message));
        }
      }
    }
    await Promise.all([...Array.from({ length: 64 }, sender), ...Array.from({ length: 4 }, receiver)]);
    check(seen.length === 500 && new Set(seen).size === 500, `${seen.length} messages, ${new Set(seen).size} different`);
    await nothingElse(c);
  },

  async server_restart(topic) {
    const p = await producer(topic);
    const c = await consumer('server_restart');
    const answered = new Set();
    const seen = new Set();
    let stop = false;
    async function send() {
      for (let n = 0; !stop; n++) {
        await p.send({ topic, body: Buffer.from(`${n}`) }).then(() => answered.add(`${n}`), () => sleep(100));
        await sleep(10);
      }
    }
    async function receive() {
      while (!stop || [...answered].some((one) => !seen.has(one))) {
        try {
          for (const message of await c.receive(16, 5000)) {
            await c.ack(message);
            seen.add(text(message));
          }
        } catch {
          await sleep(100);
        }
      }
    }
    const both = Promise.all([send(), receive()]);
    await until(() => answered.size >= 50 && seen.size >= 10);
    await restart();
    const before = [answered.size, seen.size];
    await until(() => answered.size >= before[0] + 50 && seen.size >= before[1] + 50);
    stop = true;
    await both;
  },
};

async function main() {
  for (const feature of process.env.FIRN_FEATURES.split(' ')) {
    try {
      await within(FEATURE_MS, features[feature](topicOf(feature)));
      await within(FEATURE_MS, shutdownAll());
      console.log(`ok ${feature}`);
    } catch (error) {
      console.log(`failed ${feature} ${String(error).replaceAll('\n', ' ').slice(0, 500)}`);
      running.length = 0;
    }
  }
  process.exit(0);
}

main();
