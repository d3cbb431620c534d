/** 「消费测试」: receives messages as a member of a group, and acknowledges them. */
import { api, call, raw } from '@/api/client';
import { failureOf } from '@/api/failure';
import type { Schemas } from '@/api/shared';
import { eventsOf } from './events';
import { consumerName } from './messages';

export interface Consumed {
  message: Schemas['MessageJson'];
  status: string;
}

export interface ConsumeWish {
  instance: string;
  topic: string;
  group: string;
  /** One after the other: the next one only when the one before is acknowledged. */
  isOrdered: boolean;
  way: 'pull' | 'push';
  count: number;
}

type Told = (more: Consumed[]) => void;

export const CONSUMED = 'CONSUMED';
/** Nothing for so long is the end of it. */
const WAIT_SECONDS = 5;
const INVISIBLE_SECONDS = 60;

/** Tells of messages as they are consumed; throws what stopped it. */
export async function consume(wish: ConsumeWish, tell: Told, signal: AbortSignal): Promise<void> {
  try {
    await (wish.way === 'pull' ? pull(wish, tell, signal) : push(wish, tell, signal));
  } catch (thrown) {
    // The wait that was given up.
    if (!signal.aborted) {
      throw thrown;
    }
  }
}

async function acknowledge({ instance, group, topic }: ConsumeWish, messages: Schemas['MessageJson'][]): Promise<Consumed[]> {
  const receiptHandles = messages.flatMap(({ receiptHandle }) => (receiptHandle == null ? [] : [receiptHandle]));
  const params = { path: { instance, group, topic } };
  const acked = await call(
    api.POST('/v1/instances/{instance}/groups/{group}/topics/{topic}/ack', { params, body: { receiptHandles } }),
  );
  const statuses = new Map(acked.results.map(({ receiptHandle, status }) => [receiptHandle, status]));
  return messages.map((message) => {
    const status = statuses.get(message.receiptHandle ?? '') ?? 'INVALID';
    return { message, status: status === 'OK' || status === 'ALREADY_ACKED' ? CONSUMED : status };
  });
}

async function pull(wish: ConsumeWish, tell: Told, signal: AbortSignal): Promise<void> {
  const { instance, group, topic, count, isOrdered } = wish;
  const consumerId = consumerName();
  for (let got = 0; got < count && !signal.aborted; ) {
    const max = isOrdered ? 1 : count - got;
    const body = { max, waitSeconds: WAIT_SECONDS, invisibleSeconds: INVISIBLE_SECONDS, consumerId };
    const params = { path: { instance, group, topic } };
    const { messages } = await call(
      api.POST('/v1/instances/{instance}/groups/{group}/topics/{topic}/receive', { params, body, signal }),
    );
    if (messages.length === 0) {
      return;
    }
    got += messages.length;
    tell(await acknowledge(wish, messages));
  }
}

/** What comes, until nothing did for a while; throws what the service tells of. */
async function* pushed(response: Response): AsyncGenerator<Schemas['MessageJson']> {
  const events = eventsOf(response);
  for (;;) {
    const coming = events.next();
    // When the stream is closed meanwhile, nobody waits for it any more.
    coming.catch(() => undefined);
    const next = await Promise.race([coming, pause()]);
    if (next === null || next.done === true) {
      return;
    }
    const { event, data } = next.value;
    if (event === 'error') {
      throw failureOf(new Response(null, { status: 500 }), JSON.parse(data));
    }
    yield JSON.parse(data) as Schemas['MessageJson'];
  }
}

function pause(): Promise<null> {
  return new Promise((settle) => setTimeout(() => settle(null), WAIT_SECONDS * 1000));
}

/**
 * The service sends; what is not acknowledged when the stream closes it sends again. So
 * that it sends no more than was asked for, acknowledging waits for the last one.
 */
async function push(wish: ConsumeWish, tell: Told, signal: AbortSignal): Promise<void> {
  const { instance, group, topic, count, isOrdered } = wish;
  const query = new URLSearchParams({
    max: String(isOrdered ? 1 : count),
    invisibleSeconds: String(INVISIBLE_SECONDS),
    consumerId: consumerName(),
  });
  const at = [instance, 'groups', group, 'topics', topic].map(encodeURIComponent).join('/');
  const closing = new AbortController();
  const close = () => closing.abort();
  signal.addEventListener('abort', close);
  const held: Schemas['MessageJson'][] = [];
  const settle = async () => {
    if (held.length > 0) {
      tell(await acknowledge(wish, held.splice(0)));
    }
  };
  try {
    const response = await raw(`/v1/instances/${at}/stream?${query.toString()}`, { signal: closing.signal });
    let got = 0;
    for await (const message of pushed(response)) {
      held.push(message);
      got += 1;
      if (isOrdered) {
        await settle();
      }
      if (got >= count) {
        break;
      }
    }
    await settle();
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
