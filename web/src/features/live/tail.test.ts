import { expect, test } from 'vitest';
import { pauseOf, Tail, withNew, type Place, type Seen } from './tail';

interface Message extends Seen {
  queue: number;
}

/** A topic in memory: a peek walks queue by queue, as the service does. */
class Topic {
  now = 1_000_000;
  readonly messages: Message[] = [];
  readonly asked: Place[] = [];
  fails = false;

  send(count: number, queue = 0, storeTimestamp = this.now) {
    for (let at = 0; at < count; at++) {
      this.messages.push({ offsetMessageId: String(this.messages.length), storeTimestamp, queue });
    }
  }

  peek = (place: Place) => {
    this.asked.push(place);
    if (this.fails) {
      return Promise.reject(new Error('no'));
    }
    const queues = [...new Set(this.messages.map(({ queue }) => queue))].sort();
    const ofQueue = (queue: number) => {
      const all = this.messages.filter((message) => message.queue === queue);
      return place.from === 'latest' ? all.slice(-place.max) : all.filter((one) => one.storeTimestamp >= Number(place.from));
    };
    const all = queues.flatMap(ofQueue);
    const start = Number(place.cursor ?? 0);
    const end = start + place.max;
    return Promise.resolve({ messages: all.slice(start, end), cursor: end < all.length ? String(end) : null, now: this.now });
  };
}

const ids = ({ messages }: { messages: Message[] }) => messages.map(({ offsetMessageId }) => offsetMessageId);

test('every message is shown once, also what is stored late', async () => {
  const topic = new Topic();
  const tail = new Tail(topic.peek);
  topic.send(2);
  expect(ids(await tail.turn())).toEqual(['0', '1']);
  topic.now += 1000;
  topic.send(1, 1);
  expect(ids(await tail.turn())).toEqual(['2']);
  topic.now += 1000;
  topic.send(1, 2, topic.now - 1500);
  expect(ids(await tail.turn())).toEqual(['3']);
  expect(ids(await tail.turn())).toEqual([]);
  topic.now += 60_000;
  expect(ids(await tail.turn())).toEqual([]);
  expect(ids(await tail.turn())).toEqual([]);
});

test('it begins near the end', async () => {
  const topic = new Topic();
  topic.send(100, 0, topic.now - 100_000);
  topic.send(100, 1, topic.now - 50_000);
  const tail = new Tail(topic.peek);
  const first = await tail.turn();
  expect(first.messages.length).toBeLessThanOrEqual(25);
  expect(first.hasGap).toBe(false);
  topic.now += 10_000;
  topic.send(1);
  expect(ids(await tail.turn())).toEqual(['200']);
});

test('a failure loses nothing', async () => {
  const topic = new Topic();
  const tail = new Tail(topic.peek);
  await tail.turn();
  topic.now += 5000;
  topic.send(1);
  topic.fails = true;
  await expect(tail.turn()).rejects.toThrow('no');
  topic.now += 30_000;
  topic.fails = false;
  expect(ids(await tail.turn())).toEqual(['0']);
});

test('too much is left out, and that is told', async () => {
  const topic = new Topic();
  const tail = new Tail(topic.peek);
  await tail.turn();
  topic.now += 5000;
  topic.send(5000);
  const asked = topic.asked.length;
  const turn = await tail.turn();
  expect(turn.hasGap).toBe(true);
  expect(topic.asked.length - asked).toBe(5);
  topic.now += 5000;
  topic.send(1, 1);
  expect(ids(await tail.turn())).toEqual(['5000']);
});

test('it looks less often while nothing comes, and least after failures', () => {
  expect([0, 4, 5, 10, 1000].map((quiet) => pauseOf(quiet, 0, null))).toEqual([1000, 1000, 2000, 3000, 5000]);
  expect([1, 3, 30].map((failures) => pauseOf(0, failures, null))).toEqual([2000, 8000, 60_000]);
  expect(pauseOf(0, 1, 300)).toBe(300_000);
});

test('the list is bounded, newest first', () => {
  expect(withNew([2, 1], [3, 4], 3)).toEqual([4, 3, 2]);
  expect(withNew([], [1], 3)).toEqual([1]);
});
