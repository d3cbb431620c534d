/** What C2 tells of a broker, where every value is a text, in the forms of the guide's console. */
import type { Schemas } from '@/api/shared';

export type Runtime = Readonly<Record<string, string>>;

export interface Broker {
  name: string;
  /** 0 is the master. */
  id: string;
  runtime: Runtime;
}

/** The brokers of an instance in its order, each with its copies. */
export function brokersOf(detail: Schemas['Detail'], cluster: string): Broker[] {
  const listed = detail.brokerInfoMap[cluster];
  if (listed === undefined) {
    return [];
  }
  return listed.brokerList.flatMap((name) =>
    Object.entries(listed.brokerMap[name] ?? {}).map(([id, runtime]) => ({ name, id, runtime })),
  );
}

function number(runtime: Runtime, field: string): number {
  const value = Number(runtime[field] ?? '');
  return Number.isFinite(value) ? value : 0;
}

/** The rate of a minute, which is the second of `10s 1min 10min`: `0.000`. */
export function minuteTps(runtime: Runtime, field: 'putTps' | 'getTransferredTps'): string {
  const value = Number(runtime[field]?.trim().split(/\s+/)[1] ?? 'none');
  return Number.isFinite(value) ? value.toFixed(3) : '-';
}

/** Counters as they stood at the last two midnights: their differences are the days. */
export function dayTotals(runtime: Runtime, what: 'Put' | 'Get'): { yesterday: number; today: number } {
  const [before, morning, now] = ['YesterdayMorning', 'TodayMorning', 'TodayNow'].map((at) =>
    number(runtime, `msg${what}Total${at}`),
  ) as [number, number, number];
  return { yesterday: morning - before, today: now - morning };
}

/** `0.39512` is `39.5%`. */
export function percent(fraction: string | undefined, digits: number): string {
  const value = Number(fraction ?? 'none');
  return Number.isFinite(value) ? `${(value * 100).toFixed(digits)}%` : '-';
}

/** `1215.8` is `1,215.8`. */
function average(text: string): string {
  return Number(text).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

type Second = (ms: number) => string;

/** A time of 0 is none. */
function time(text: string, second: Second): string {
  const ms = Number(text);
  return ms > 0 ? second(ms) : text;
}

/** Rows of 「信息」 in their order: a field as it is, unless its text is another. */
const ROWS: readonly (string | [name: string, text: (runtime: Runtime, second: Second) => string | undefined])[] = [
  ['version', (it) => it['brokerVersionDesc']],
  ['bootstrap time', (it, second) => time(it['bootTimestamp'] ?? '0', second)],
  ['broker id/pid', (it) => `${it['brokerId'] ?? ''}/${it['brokerPid'] ?? ''}`],
  ['broker address', (it) => it['brokerAddress']],
  ['produce tps(10s,1min,10min)', (it) => it['putTps']],
  ['consumer tps(10s,1min,10min)', (it) => it['getTransferredTps']],
  ['getFoundTps(10s,1min,10min)', (it) => it['getFoundTps']],
  ['getMissTps(10s,1min,10min)', (it) => it['getMissTps']],
  'commitLogMinOffset',
  'commitLogMaxOffset',
  ['consumeQueueDiskRatio', (it) => percent(it['consumeQueueDiskRatio'], 1)],
  ['commitLogDiskRatio', (it) => percent(it['commitLogDiskRatio'], 1)],
  'producerConnectionsNum',
  'consumerConnectionsNum',
  'topicNum',
  ['putMessageAverageSize', (it) => average(it['putMessageAverageSize'] ?? '0')],
  'putMessageTimesTotal',
  'putMessageSizeTotal',
  'getMessageEntireTimeMax',
  'putMessageEntireTimeMax',
  'msgPutTotalTodayMorning',
  'msgGetTotalTodayMorning',
  'msgPutTotalYesterdayMorning',
  'msgGetTotalYesterdayMorning',
  'msgPutTotalTodayNow',
  'msgGetTotalTodayNow',
  'dispatchBehindBytes',
  'dispatchMaxBuffer',
  'sendThreadPoolQueueHeadWaitTimeMills',
  'pullThreadPoolQueueHeadWaitTimeMills',
  'queryThreadPoolQueueHeadWaitTimeMills',
  'commitLogDirCapacity',
  'pullThreadPoolQueueSize',
  'runtime',
  ['startAcceptSendRequestTimeStamp', (it, second) => time(it['startAcceptSendRequestTimeStamp'] ?? '0', second)],
  ['earliestMessageTimeStamp', (it, second) => time(it['earliestMessageTimeStamp'] ?? '0', second)],
  'remainHowManyDataToFlush',
  'remainTransientStoreBufferNumbs',
  'sendThreadPoolQueueCapacity',
  'pullThreadPoolQueueCapacity',
  'queryThreadPoolQueueCapacity',
  'pageCacheLockTimeMills',
  'putMessageDistributeTime',
];

export interface InfoRow {
  name: string;
  value: string;
}

export function infoRows(runtime: Runtime, second: Second): InfoRow[] {
  return ROWS.map((row) =>
    typeof row === 'string'
      ? { name: row, value: runtime[row] ?? '-' }
      : { name: row[0], value: row[1](runtime, second) ?? '-' },
  );
}

export type Point = Schemas['TpsPoint'];

/** C3 has a point for each step and broker, in the order of the instance's brokers. */
export function pointsOf(points: readonly Point[], brokers: readonly string[], broker: string): Point[] {
  const at = brokers.indexOf(broker);
  return at < 0 ? [] : points.filter((_, index) => index % brokers.length === at);
}
