/** What the tabs show, from what the API tells. */
import type { Schemas } from '@/api/shared';

export interface Backlog {
  topic: string;
  lag: number;
  inFlight: number;
  groups: number;
  worst: { group: string; lag: number };
  oldestAgeMs: number | null;
}

const TOP = 20;

function descending<T>(rows: Iterable<T>, count: (row: T) => number, name: (row: T) => string): T[] {
  return [...rows].sort((a, b) => count(b) - count(a) || (name(a) < name(b) ? -1 : 1));
}

/** The topics that groups are furthest behind on; retries are of topics of their own. */
export function largestBacklogs(groups: readonly Schemas['LagAnswer'][]): Backlog[] {
  const topics = new Map<string, Backlog>();
  for (const { group, topics: ofGroup } of groups) {
    for (const { topic, lag, inFlight, oldestAgeMs = null } of ofGroup) {
      if (lag === 0) {
        continue;
      }
      const known = topics.get(topic);
      if (known === undefined) {
        topics.set(topic, { topic, lag, inFlight, groups: 1, worst: { group, lag }, oldestAgeMs });
        continue;
      }
      known.lag += lag;
      known.inFlight += inFlight;
      known.groups += 1;
      known.oldestAgeMs = Math.max(known.oldestAgeMs ?? 0, oldestAgeMs ?? 0);
      if (lag > known.worst.lag) {
        known.worst = { group, lag };
      }
    }
  }
  return descending(
    topics.values(),
    ({ lag }) => lag,
    ({ topic }) => topic,
  ).slice(0, TOP);
}

export function mostStored(topics: readonly Schemas['TopicStats'][]): Schemas['TopicStats'][] {
  return descending(
    topics,
    ({ msgNowNums }) => msgNowNums,
    ({ topicName }) => topicName,
  );
}

export interface Tps {
  times: number[];
  put: number[];
  get: number[];
}

/** C3 has a point for each step and broker, oldest first: brokers are added up. */
export function summedTps(points: readonly Schemas['TpsPoint'][]): Tps {
  const sums: Tps = { times: [], put: [], get: [] };
  for (const { crtTime, inTPS, outTPS } of points) {
    if (sums.times.at(-1) !== crtTime) {
      sums.times.push(crtTime);
      sums.put.push(0);
      sums.get.push(0);
    }
    const at = sums.times.length - 1;
    sums.put[at] = (sums.put[at] ?? 0) + inTPS;
    sums.get[at] = (sums.get[at] ?? 0) + outTPS;
  }
  return sums;
}

/** The rate of the last whole step: the one that runs is not counted to its end. */
export function nowAndPeak(rates: readonly number[]): { now: string; peak: string } {
  return { now: (rates.at(-2) ?? 0).toFixed(3), peak: Math.max(0, ...rates).toFixed(3) };
}
