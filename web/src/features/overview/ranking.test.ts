import { expect, test } from 'vitest';
import { largestBacklogs, mostStored, nowAndPeak, summedTps } from './ranking';

const row = (topic: string, lag: number, oldestAgeMs: number | null = null) => ({
  topic, lag, inFlight: 1, oldestAgeMs, queues: [],
});
const group = (name: string, ...topics: ReturnType<typeof row>[]) => ({ group: name, lag: 0, inFlight: 0, topics });

test('a topic has the backlog of all its groups, and the largest comes first', () => {
  const rows = largestBacklogs([
    group('g1', row('a', 5, 100), row('b', 7), row('done', 0)),
    group('g2', row('a', 6, 300), row('%RETRY%g2', 7)),
  ]);
  expect(rows.map(({ topic, lag }) => [topic, lag])).toEqual([['a', 11], ['%RETRY%g2', 7], ['b', 7]]);
  expect(rows[0]).toMatchObject({ groups: 2, inFlight: 2, worst: { group: 'g2', lag: 6 }, oldestAgeMs: 300 });
  expect(rows[2]).toMatchObject({ groups: 1, oldestAgeMs: null });
});

test('twenty of them at most', () => {
  const topics = Array.from({ length: 30 }, (_, at) => row(`t${at}`, at + 1));
  const rows = largestBacklogs([group('g', ...topics)]);
  expect(rows).toHaveLength(20);
  expect([rows[0]?.lag, rows[19]?.lag]).toEqual([30, 11]);
});

test('topics by the messages stored', () => {
  const stats = (topicName: string, msgNowNums: number) => ({
    topicName, msgNowNums, clusterName: 'c', msgHistoryNums: 0, msg24hNums: 0, mainBrokerNums: 1, slaveBrokerNums: 0, inTps: 0,
  });
  const rows = mostStored([stats('b', 2), stats('c', 10), stats('a', 2)]);
  expect(rows.map(({ topicName }) => topicName)).toEqual(['c', 'a', 'b']);
});

test('points of brokers are added up by their time', () => {
  const point = (crtTime: number, inTPS: number, outTPS: number) => ({ crtTime, inTPS, outTPS });
  const tps = summedTps([point(1, 1, 0), point(1, 2, 0.5), point(2, 4, 0), point(2, 0, 1)]);
  expect(tps).toEqual({ times: [1, 2], put: [3, 4], get: [0.5, 1] });
  expect(summedTps([])).toEqual({ times: [], put: [], get: [] });
});

test('now is the last whole step', () => {
  expect(nowAndPeak([9, 2, 0.5])).toEqual({ now: '2.000', peak: '9.000' });
  expect(nowAndPeak([])).toEqual({ now: '0.000', peak: '0.000' });
});
