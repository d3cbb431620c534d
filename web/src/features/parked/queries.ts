/** What stands still in ordered groups. */
import { api, call } from '@/api/client';
import { ApiFailure } from '@/api/failure';
import type { Schemas } from '@/api/shared';

export type Group = Schemas['GroupJson'];
type Message = Schemas['MessageJson'];

export interface ParkedRow {
  group: Group;
  parkedAt: number;
  message: Message;
}

export interface QueueRow {
  group: Group;
  topic: string;
  broker: string;
  queueId: number;
  committed: number;
  lag: number;
  inFlight: number;
  /** The first that is not finished; `null` when it is gone. */
  first: Message | null;
}

/** Calls that are under way at once. */
const AT_ONCE = 6;
/** First messages are looked up for the queues with the most waiting. */
export const QUEUES_MAX = 100;

/** As `map`, a few at a time. */
export async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}

/** A group that was removed meanwhile has nothing any more. */
async function ofGroup<T>(read: Promise<T[]>): Promise<T[]> {
  try {
    return await read;
  } catch (thrown) {
    if (thrown instanceof ApiFailure && thrown.status === 404) {
      return [];
    }
    throw thrown;
  }
}

export async function parkedOf(instance: string, groups: readonly Group[]): Promise<ParkedRow[]> {
  const read = async (group: Group) => {
    const params = { path: { instance, group: group.name } };
    const { items } = await call(api.GET('/v1/instances/{instance}/groups/{group}/parked', { params }));
    return items.map((item) => ({ group, ...item }));
  };
  const rows = await eachOf(groups, (group) => ofGroup(read(group)));
  return rows.flat().sort((a, b) => a.parkedAt - b.parkedAt);
}

async function firstOf(instance: string, row: Omit<QueueRow, 'first'>): Promise<Message | null> {
  const { topic, broker, queueId, committed: offset, group } = row;
  const params = { path: { instance, topic }, query: { broker, queueId, offset, group: group.name } };
  const { messages } = await call(api.GET('/v1/instances/{instance}/topics/{topic}/messages', { params }));
  return messages[0] ?? null;
}

export async function queuesOf(instance: string, groups: readonly Group[]): Promise<QueueRow[]> {
  const read = async (group: Group) => {
    const params = { path: { instance, group: group.name } };
    const { topics } = await call(api.GET('/v1/instances/{instance}/groups/{group}/lag', { params }));
    return topics.flatMap(({ topic, queues }) => queues.map((queue) => ({ group, topic, ...queue })));
  };
  const all = (await eachOf(groups, (group) => ofGroup(read(group)))).flat();
  const waiting = all.filter(({ lag }) => lag > 0).sort((a, b) => b.lag - a.lag);
  const looked = await eachOf(waiting.slice(0, QUEUES_MAX), (row) =>
    ofGroup(firstOf(instance, row).then((first) => [{ ...row, first }])),
  );
  return looked.flat();
}

/** `parked` when a decision is waited for, else what the group did with it. */
export function stateOf({ group, first }: QueueRow, parked: readonly ParkedRow[]): string {
  if (first === null) {
    return 'unknown';
  }
  const isParked = parked.some(
    (one) => one.group.name === group.name && one.message.offsetMessageId === first.offsetMessageId,
  );
  return isParked ? 'parked' : (first.status ?? 'unknown');
}
