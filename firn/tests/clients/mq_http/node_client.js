// What a program does that uses npm's `@aliyunmq/mq-http-sdk`. Started by run.py.
'use strict';

const crypto = require('crypto');
const readline = require('readline');
const { MQClient, MessageProperties } = require('@aliyunmq/mq-http-sdk');

const HTTP = process.env.FIRN_HTTP;
const INVISIBLE = Number(process.env.FIRN_INVISIBLE_SECONDS) * 1000;
const RUN = `n${crypto.randomInt(1e9)}`;

const sleep = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));

function check(condition, why) {
  if (!condition) throw new Error(typeof why === 'string' ? why : JSON.stringify(why));
}

const client = (key = 'demo', secret = 'demo-secret') => new MQClient(HTTP, key, secret);
const producer = (topic, instance = '') => client().getProducer(instance, topic);
const consumer = (topic, tag, group = 'workers', instance = '') => client().getConsumer(instance, topic, group, tag);

function properties(fill) {
  const made = new MessageProperties();
  fill(made);
  return made;
}

async function take(work) {
  try {
    return (await work()).body;
  } catch (error) {
    if (error.Code === 'MessageNotExist') return [];
    throw error;
  }
}

// Messages until there are as many, or the time is over.
async function collect(of, wanted, { seconds = 15, ack = true, ordered = false } = {}) {
  const got = [];
  const end = Date.now() + seconds * 1000;
  while (got.length < wanted && Date.now() < end) {
    const some = await take(() => (ordered ? of.consumeMessageOrderly(16, 1) : of.consumeMessage(16, 1)));
    got.push(...some);
    if (some.length > 0 && ack) {
      const done = await of.ackMessage(some.map((one) => one.ReceiptHandle));
      check(done.code === 204, done);
    }
  }
  return got;
}

async function refused(code, work) {
  try {
    await work();
  } catch (error) {
    check(error.Code === code, `${error.Code}: ${error.message}, not ${code}`);
    check(error.RequestId, 'no request id');
    return;
  }
  throw new Error(`it was not refused with ${code}`);
}

const md5 = (text) => crypto.createHash('md5').update(text).digest('hex').toUpperCase();

async function transactions(decide, arrives, after) {
  const tag = `${RUN}${crypto.randomInt(1e6)}`;
  const p = client().getTransProducer('', 'deals', 'makers');
  const c = consumer('deals', tag);
  const sent = await p.publishMessage(tag, tag, properties((it) => it.transCheckImmunityTime(after)));
  check(sent.code === 201 && sent.body.ReceiptHandle, sent);
  check((await take(() => c.consumeMessage(1, 0))).length === 0, 'a half message was delivered');
  let handle = sent.body.ReceiptHandle;
  if (after < 10) {
    handle = undefined;
    const end = Date.now() + 20000;
    while (!handle && Date.now() < end) {
      const found = await take(() => p.consumeHalfMessage(16, 3));
      const half = found.find((one) => one.MessageBody === tag);
      handle = half && half.ReceiptHandle;
    }
    check(handle, 'nobody was asked');
  }
  const done = await p[decide](handle);
  check(done.code === 204, done);
  const got = await collect(c, 1, { seconds: arrives ? 10 : 2 });
  check(got.length === (arrives ? 1 : 0), `${got.length} messages after ${decide}`);
  const wrong = await p.commit('not-a-handle');
  check(wrong.code === 404 && wrong.body[0].ErrorCode === 'ReceiptHandleError', wrong);
}

const features = {
  async publish_consume_ack() {
    const body = `body of ${RUN}`;
    const sent = await producer('orders').publishMessage(body, `${RUN}a`);
    check(sent.code === 201 && sent.body.MessageBodyMD5 === md5(body) && sent.requestId, sent);
    const c = consumer('orders', `${RUN}a`);
    const got = await collect(c, 1, { ack: false });
    check(got.length === 1, `${got.length} messages`);
    const [one] = got;
    check(one.MessageBody === body && one.MessageId === sent.body.MessageId && one.MessageTag === `${RUN}a`, one);
    check(one.ConsumedTimes === '1' && one.MessageBodyMD5 === md5(body), one);
    const left = Number(one.NextConsumeTime) - Date.now();
    check(left > 0 && left <= INVISIBLE + 1000, `${left} ms left`);
    check((await c.ackMessage([one.ReceiptHandle])).code === 204, 'not acknowledged');
    await sleep(left);
    check((await collect(c, 1, { seconds: 1 })).length === 0, 'acknowledged, and it came again');
  },
  async bodies() {
    const texts = ['<a b="c">&amp; \'d\'</a>', 'äöü 消息 😀', '1\n2\t3', ' a ', 'x'.repeat(200000)];
    const p = producer('orders');
    for (const text of texts) await p.publishMessage(text, `${RUN}b`);
    const got = await collect(consumer('orders', `${RUN}b`), texts.length);
    check(JSON.stringify(got.map((one) => one.MessageBody).sort()) === JSON.stringify(texts.sort()),
      got.map((one) => one.MessageBody.slice(0, 30)));
    await refused('MalformedXML', () => p.publishMessage('a ]]> b', `${RUN}b`));
  },
  async keys_properties() {
    const sent = properties((it) => {
      it.messageKey('key-1');
      it.putProperty('a', '1');
      it.putProperty('b', 'zwei');
    });
    await producer('orders').publishMessage('x', `${RUN}k`, sent);
    const [one] = await collect(consumer('orders', `${RUN}k`), 1);
    check(one.MessageKey === 'key-1' && one.Properties.a === '1' && one.Properties.b === 'zwei', one);
  },
  async tags() {
    for (const tag of 'uvw') await producer('orders').publishMessage(tag, RUN + tag);
    const got = await collect(consumer('orders', `${RUN}u||${RUN}w`), 3, { seconds: 4 });
    check(got.map((one) => one.MessageBody).sort().join() === 'u,w', got);
  },
  async empty_poll() {
    const started = Date.now();
    await refused('MessageNotExist', () => consumer('orders', `${RUN}none`).consumeMessage(1, 2));
    const took = Date.now() - started;
    check(took >= 1900 && took < 8000, `answered after ${took} ms`);
  },
  async wake_up() {
    const c = consumer('orders', `${RUN}wake`);
    const waiting = take(() => c.consumeMessage(1, 20));
    await sleep(500);
    const started = Date.now();
    await producer('orders').publishMessage('wake up', `${RUN}wake`);
    const got = await waiting;
    check(got.length === 1 && got[0].MessageBody === 'wake up' && Date.now() - started < 10000, got);
    await c.ackMessage([got[0].ReceiptHandle]);
  },
  async ordered() {
    const keys = [0, 1, 2].map((n) => `${RUN}-${n}`);
    const p = producer('steps');
    for (let n = 0; n < 8; n++) {
      for (const key of keys) await p.publishMessage(`${n}`, `${RUN}o`, properties((it) => it.shardingKey(key)));
    }
    const got = await collect(consumer('steps', `${RUN}o`, 'inorder'), 24, { seconds: 30, ordered: true });
    for (const key of keys) {
      const ofKey = got.filter((one) => one.ShardingKey === key).map((one) => one.MessageBody).join('');
      check(ofKey === '01234567', `${key}: ${ofKey}`);
    }
  },
  async ack_partial_failure() {
    const c = consumer('orders', `${RUN}p`);
    for (let n = 0; n < 2; n++) await producer('orders').publishMessage(`${n}`, `${RUN}p`);
    const good = (await collect(c, 2, { ack: false })).map((one) => one.ReceiptHandle);
    check(good.length === 2, `${good.length} messages`);
    const failed = await c.ackMessage([...good, 'not-a-handle']);
    check(failed.code === 404 && failed.body.length === 1, failed);
    check(failed.body[0].ReceiptHandle === 'not-a-handle' && failed.body[0].ErrorCode === 'ReceiptHandleError', failed);
    await sleep(INVISIBLE);
    check((await collect(c, 1, { seconds: 1 })).length === 0, 'one of the good ones came again');
  },
  async redelivery() {
    const c = consumer('orders', `${RUN}r`);
    await producer('orders').publishMessage('again', `${RUN}r`);
    const [first] = await collect(c, 1, { ack: false });
    const [second] = await collect(c, 1, { ack: false, seconds: INVISIBLE / 1000 + 10 });
    check(second.MessageId === first.MessageId && second.ConsumedTimes === '2', second);
    check(second.ReceiptHandle !== first.ReceiptHandle, 'the handle stayed');
    const old = await c.ackMessage([first.ReceiptHandle]);
    check(old.code === 404 && old.body[0].ErrorCode === 'MessageNotExist', old);
    check((await c.ackMessage([second.ReceiptHandle])).code === 204, 'not acknowledged');
  },
  async delayed() {
    const at = Date.now() + 2500;
    await producer('later').publishMessage('late', `${RUN}d`, properties((it) => it.startDeliverTime(at)));
    const [one] = await collect(consumer('later', `${RUN}d`), 1);
    const late = Date.now() - at;
    check(late >= -20 && late < 6000, `it came ${late} ms after its time`);
    check(one.StartDeliverTime === at, one);
  },
  transaction_commit: () => transactions('commit', true, 60),
  transaction_rollback: () => transactions('rollback', false, 60),
  transaction_check_commit: () => transactions('commit', true, 2),
  transaction_check_rollback: () => transactions('rollback', false, 2),
  async instance_named() {
    await producer('orders', 'demo').publishMessage('named', `${RUN}i`);
    const got = await collect(consumer('orders', `${RUN}i`, 'workers', 'demo'), 1);
    check(got.length === 1 && got[0].MessageBody === 'named', got);
    await refused('TopicNotExist', () => producer('orders', 'none').publishMessage('x', 't'));
  },
  wrong_secret: () => refused('AccessDenied', () => client('demo', 'wrong').getProducer('', 'orders').publishMessage('x', 't')),
  unknown_access_key: () => refused('AccessDenied', () => client('no-such-user').getProducer('', 'orders').publishMessage('x', 't')),
  unknown_topic: () => refused('TopicNotExist', () => producer('none').publishMessage('x', 't')),
  async topic_without_right() {
    const limited = client('limited', 'limited-secret');
    check((await limited.getProducer('', 'orders').publishMessage('may', `${RUN}l`)).code === 201, 'it may');
    await refused('AccessDenied', () => limited.getProducer('', 'secret').publishMessage('x', 't'));
  },
  async server_restart() {
    const c = consumer('orders', `${RUN}s`);
    const bodies = Array.from({ length: 20 }, (_, n) => `${n}`);
    for (const body of bodies.slice(0, 10)) await producer('orders').publishMessage(body, `${RUN}s`);
    const taken = await take(() => c.consumeMessage(4, 1));
    const answer = new Promise((done) => readline.createInterface({ input: process.stdin }).once('line', done));
    console.log('restart');
    check((await answer) === 'restarted', 'no restart');
    for (const body of bodies.slice(10)) {
      for (let attempt = 0; ; attempt++) {
        // A connection that broke is an error once; a program sends again.
        try {
          await producer('orders').publishMessage(body, `${RUN}s`);
          break;
        } catch (error) {
          if (attempt === 4) throw error;
        }
      }
    }
    if (taken.length > 0) await c.ackMessage(taken.map((one) => one.ReceiptHandle));
    const rest = await collect(c, 20 - taken.length, { seconds: 20 });
    const got = new Set([...taken, ...rest].map((one) => one.MessageBody));
    check(bodies.every((body) => got.has(body)), [...got]);
  },
};

async function main() {
  for (const feature of process.env.FIRN_FEATURES.split(' ')) {
    try {
      check(features[feature], 'this client does not know it');
      await features[feature]();
      console.log('ok', feature);
    } catch (error) {
      console.log('failed', feature, `${error.message}`.replace(/\s+/g, ' ').slice(0, 300));
    }
  }
  process.exit(0);
}

main();
