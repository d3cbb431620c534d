/** 「生产测试」: sends messages and says where they are. */
import { api, call } from '@/api/client';
import type { Schemas } from '@/api/shared';
import { batchSize, probeMessage, type MessageType } from './messages';

export interface Sent {
  /** None for one that was refused. */
  messageId: string | null;
  status: string;
  topic: string;
  broker: string | null;
  queueId: number | null;
}

export interface ProduceWish {
  instance: string;
  topic: string;
  type: MessageType;
  count: number;
  bytes: number;
  level: number;
}

type Told = (more: Sent[]) => void;

export const SEND_OK = 'SEND_OK';

function sentOf(topic: string, result: Schemas['SendResult']): Sent {
  if ('error' in result) {
    const { code, message } = result.error;
    return { messageId: null, status: `${code}: ${message}`, topic, broker: null, queueId: null };
  }
  const { messageId, broker, queueId } = result;
  return { messageId, status: SEND_OK, topic, broker, queueId };
}

/** Tells of messages as they are sent; throws what stopped it. */
export async function produce(wish: ProduceWish, tell: Told, signal: AbortSignal): Promise<void> {
  const { count, bytes, type } = wish;
  const batch = type === 'transaction' ? 1 : batchSize(bytes);
  for (let sent = 0; sent < count && !signal.aborted; sent += batch) {
    if (type === 'transaction') {
      tell([await sendTransaction(wish)]);
    } else {
      tell(await send(wish, Math.min(batch, count - sent)));
    }
  }
}

async function send({ instance, topic, ...wish }: ProduceWish, count: number): Promise<Sent[]> {
  const params = { path: { instance, topic } };
  const body = { messages: Array.from({ length: count }, () => probeMessage(wish)) };
  const { results } = await call(api.POST('/v1/instances/{instance}/topics/{topic}/messages', { params, body }));
  return results.map((result) => sentOf(topic, result));
}

/** Begins and commits; only then the message has a place. */
async function sendTransaction({ instance, topic, ...wish }: ProduceWish): Promise<Sent> {
  const path = { instance, topic };
  const begun = await call(
    api.POST('/v1/instances/{instance}/topics/{topic}/transactions', { params: { path }, body: probeMessage(wish) }),
  );
  const { messageId, transactionId } = begun;
  const decision = { params: { path: { ...path, transaction: transactionId } }, body: {} };
  await call(api.POST('/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/commit', decision));
  const found = { params: { path: { instance, message_id: messageId } } };
  const { broker, queueId } = await call(api.GET('/v1/instances/{instance}/messages/{message_id}', found));
  return { messageId, status: SEND_OK, topic, broker, queueId };
}
