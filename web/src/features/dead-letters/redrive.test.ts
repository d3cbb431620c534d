import { expect, test } from 'vitest';
import { idsInCall, redrive, type Request } from './redrive';

const ids = (count: number) => Array.from({ length: count }, (_, at) => String(at));

async function run(wanted: Parameters<typeof redrive>[0], answers: { redriven: number; more?: boolean }[], stopAfter = Infinity) {
  const sent: Request[] = [];
  const progress: number[] = [];
  const total = await redrive(
    wanted,
    (request) => {
      sent.push(request);
      return Promise.resolve(answers[sent.length - 1] ?? { redriven: request.messageIds?.length ?? 0 });
    },
    { onProgress: (count) => progress.push(count), isStopped: () => sent.length >= stopAfter },
  );
  return { total, sent, progress };
}

test('letters that are named are named once, in calls that end in time', async () => {
  expect([idsInCall(undefined), idsInCall(0.1), idsInCall(2), idsInCall(10_000)]).toEqual([1000, 1, 30, 1000]);
  const { total, sent, progress } = await run({ messageIds: ids(70), toTopic: true, ratePerSecond: 2 }, []);
  expect(sent.map(({ messageIds }) => messageIds?.length)).toEqual([30, 30, 10]);
  expect(sent.flatMap(({ messageIds }) => messageIds)).toEqual(ids(70));
  expect(sent.every(({ toTopic, ratePerSecond, max }) => toTopic && ratePerSecond === 2 && max === undefined)).toBe(true);
  expect([total, ...progress]).toEqual([70, 30, 60, 70]);
});

test('all go, until the service says that there are no more', async () => {
  const answers = [{ redriven: 5, more: true }, { redriven: 0, more: true }, { redriven: 2 }];
  const { total, sent } = await run({ topic: 'orders', toTopic: false }, answers);
  expect([total, sent.length]).toEqual([7, 3]);
  expect(sent[2]).toEqual({ topic: 'orders', toTopic: false });
});

test('no more go than are asked for', async () => {
  const { total, sent } = await run({ max: 6, toTopic: false }, [{ redriven: 4, more: true }, { redriven: 2, more: true }]);
  expect(sent.map(({ max }) => max)).toEqual([6, 2]);
  expect(total).toBe(6);
});

test('whoever stops it stops it', async () => {
  const { total, sent } = await run({ toTopic: false }, [{ redriven: 5, more: true }, { redriven: 5, more: true }], 1);
  expect([total, sent.length]).toEqual([5, 1]);
});
