/** What a probe sends: messages that can be told from those of applications. */
import type { Schemas } from '@/api/shared';

export const COUNT_MAX = 100;
export const KIB = 1024;
export const TYPES = ['normal', 'fifo', 'delay', 'transaction'] as const;
export type MessageType = (typeof TYPES)[number];

/** Of the delay levels, from 1. */
export const LEVELS = [
  '1s', '5s', '10s', '30s', '1m', '2m', '3m', '4m', '5m', '6m', '7m', '8m', '9m', '10m', '20m', '30m', '1h', '2h',
] as const;

const TAG = 'webtest';
const MESSAGE_GROUP = 'WebTestTools';
/** A request has at most 8 MiB, with all that is around the bodies. */
const REQUEST_BYTES = 6 * 1024 * KIB;

let lastMs = 0;

/** The time, later for each message, so that each is found by a key of its own. */
function nextMs(): number {
  lastMs = Math.max(Date.now(), lastMs + 1);
  return lastMs;
}

/** `WebTestTools_<ms>` with blanks behind it. */
export function bodyOf(ms: number, bytes: number): string {
  return `WebTestTools_${ms}`.padEnd(bytes, ' ').slice(0, bytes);
}

interface Wish {
  type: MessageType;
  bytes: number;
  /** Of delayed messages. */
  level: number;
}

export function probeMessage({ type, bytes, level }: Wish): Schemas['SendEntry'] {
  const ms = nextMs();
  return {
    body: bodyOf(ms, bytes),
    tag: TAG,
    keys: [String(ms)],
    ...(type === 'fifo' ? { messageGroup: MESSAGE_GROUP } : {}),
    ...(type === 'delay' ? { delayLevel: level } : {}),
  };
}

/** How many go in one request. */
export function batchSize(bytes: number): number {
  return Math.max(1, Math.floor(REQUEST_BYTES / (bytes + KIB)));
}

export function isWholeNumber(value: unknown, max: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= max;
}

export function takes(topic: Schemas['TopicTypeWord'], type: MessageType): boolean {
  return topic === type || topic === 'mixed';
}

/** Not `crypto.randomUUID`: browsers have it on https and localhost alone. */
export function consumerName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `WebTestToolsConsumer_${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
}
