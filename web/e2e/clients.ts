/** Clients of the seeded instance, as they come and go while pages are looked at. */
import { INSTANCE } from './seed';
import type { Service } from './service';

const BASIC = `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`;

interface Sent {
  messageId: string;
  offsetMessageId: string;
  broker: string;
  queueId: number;
  queueOffset: number;
}

interface Received {
  messageId: string;
  receiptHandle: string;
}

async function post(service: Service, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${service.api}/v1/instances/${INSTANCE}${path}`, {
    method: 'POST',
    headers: { authorization: BASIC, 'content-type': 'application/json', 'user-agent': 'spec/1.2.3' },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    throw new Error(`${path}: ${response.status} ${await response.text()}`);
  }
  return response.json();
}

/** A producer is online for 30 s after this. */
export async function send(service: Service, topic: string, message: object): Promise<Sent> {
  const answer = (await post(service, `/topics/${topic}/messages`, { messages: [message] })) as { results: [Sent] };
  return answer.results[0];
}

/** A consumer is online for 30 s after this. */
export async function receive(service: Service, group: string, topic: string, more: object = {}): Promise<Received[]> {
  const path = `/groups/${group}/topics/${topic}/receive`;
  const answer = (await post(service, path, { max: 1, waitSeconds: 1, ...more })) as { messages: Received[] };
  return answer.messages;
}

export async function ack(service: Service, group: string, topic: string, messages: Received[]): Promise<void> {
  const receiptHandles = messages.map(({ receiptHandle }) => receiptHandle);
  await post(service, `/groups/${group}/topics/${topic}/ack`, { receiptHandles });
}

/** Whether a pair of keys is let in. */
export async function isLetIn(service: Service, accessKey: string, secretKey: string): Promise<boolean> {
  const response = await fetch(`${service.api}/v1/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ accessKey, secretKey }),
  });
  return response.ok;
}
