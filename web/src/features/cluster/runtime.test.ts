import { expect, test } from 'vitest';
import { brokersOf, dayTotals, infoRows, minuteTps, percent, pointsOf, type Runtime } from './runtime';

const RUNTIME: Runtime = {
  brokerVersionDesc: 'V2_4_2_CTG',
  bootTimestamp: '1562032127676',
  brokerId: '0',
  brokerPid: '99689',
  putTps: '0.1 12.3456 7.0',
  commitLogDiskRatio: '0.36264168995119367',
  putMessageAverageSize: '1215.8',
  msgPutTotalYesterdayMorning: '10',
  msgPutTotalTodayMorning: '35',
  msgPutTotalTodayNow: '42',
  startAcceptSendRequestTimeStamp: '0',
};
const second = (ms: number) => `at ${ms}`;
const value = (name: string) => infoRows(RUNTIME, second).find((row) => row.name === name)?.value;

test('brokers are in the order of the instance, and each copy is a row', () => {
  const detail = { brokerInfoMap: { demo: { brokerList: ['b', 'a'], brokerMap: { a: { 0: {} }, b: { 0: {}, 1: {} } } } } };
  expect(brokersOf(detail, 'demo').map(({ name, id }) => name + id)).toEqual(['b0', 'b1', 'a0']);
  expect(brokersOf(detail, 'other')).toEqual([]);
});

test('the rate of a minute is the second of three, with three decimals', () => {
  expect(minuteTps(RUNTIME, 'putTps')).toBe('12.346');
  expect(minuteTps(RUNTIME, 'getTransferredTps')).toBe('-');
  expect(minuteTps({ putTps: '1.0' }, 'putTps')).toBe('-');
});

test('days are differences of counters', () => {
  expect(dayTotals(RUNTIME, 'Put')).toEqual({ yesterday: 25, today: 7 });
  expect(dayTotals(RUNTIME, 'Get')).toEqual({ yesterday: 0, today: 0 });
});

test('ratios are fractions on the wire and percents on the page', () => {
  expect(percent('0.84722', 3)).toBe('84.722%');
  expect(percent(undefined, 3)).toBe('-');
  expect(value('commitLogDiskRatio')).toBe('36.3%');
});

test('information has the texts of the guide, and says what it does not know', () => {
  expect(value('version')).toBe('V2_4_2_CTG');
  expect(value('bootstrap time')).toBe('at 1562032127676');
  expect(value('broker id/pid')).toBe('0/99689');
  expect(value('produce tps(10s,1min,10min)')).toBe('0.1 12.3456 7.0');
  expect(value('putMessageAverageSize')).toBe('1,215.8');
  expect(value('startAcceptSendRequestTimeStamp')).toBe('0');
  expect(value('broker address')).toBe('-');
  expect(infoRows(RUNTIME, second)).toHaveLength(43);
});

test('the curve of a broker is its part of every step', () => {
  const points = [1, 2, 3, 4].map((inTPS) => ({ inTPS, outTPS: 0, crtTime: Math.ceil(inTPS / 2) }));
  expect(pointsOf(points, ['a', 'b'], 'b').map(({ inTPS }) => inTPS)).toEqual([2, 4]);
  expect(pointsOf(points, ['a', 'b'], 'c')).toEqual([]);
});
