/** Messages of a spec's own, made as any client makes them. */
import type { Service } from './service';
import { INSTANCE } from './seed';

export interface Received {
  messageId: string;
  body: string;
  attempt: number;
  receiptHandle: string;
}

export class Traffic {
  readonly #root: string;

  constructor({ api }: Service) {
    this.#root = `${api}/v1/instances/${INSTANCE}`;
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.#root + path, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from('demo:demo-secret').toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    }
    return (await response.json()) as T;
  }

  topic(name: string, type = 'normal', more: object = {}) {
    return this.call('POST', '/topics', { name, type, queues: 1, brokers: ['a'], ...more });
  }

  group(name: string, more: object = {}) {
    return this.call('POST', '/groups', { name, ...more });
  }

  send(topic: string, messages: object[]) {
    return this.call<{ results: { messageId?: string }[] }>('POST', `/topics/${topic}/messages`, { messages });
  }

  async receive(group: string, topic: string, max = 16, waitSeconds = 5): Promise<Received[]> {
    const body = { max, waitSeconds, consumerId: `${group}-1` };
    return (await this.call<{ messages: Received[] }>('POST', `/groups/${group}/topics/${topic}/receive`, body)).messages;
  }

  /** Gives messages up: the next delivery comes later, or they are dead or parked. */
  async fail(group: string, topic: string, messages: readonly Received[]) {
    for (const { receiptHandle } of messages) {
      const body = { receiptHandle, invisibleSeconds: 0 };
      await this.call('POST', `/groups/${group}/topics/${topic}/visibility`, body);
    }
  }

  /** A group with dead letters that came from a topic, both named after it. */
  async deadLetters(name: string, bodies: readonly string[]) {
    await this.topic(name);
    await this.group(name, { maxRetries: 0 });
    await this.send(name, bodies.map((body, at) => ({ body, tag: at % 2 === 0 ? 'even' : 'odd', keys: [`${name}-${at}`] })));
    await this.fail(name, name, await this.receive(name, name));
  }

  /** An ordered group with one parked message: `one` of the message group `m`. */
  async parked(name: string) {
    await this.topic(name, 'fifo');
    await this.group(name, { ordered: true, onPoison: 'park', maxRetries: 0 });
    await this.send(name, ['one', 'two', 'three'].map((body) => ({ body, messageGroup: 'm' })));
    await this.fail(name, name, await this.receive(name, name, 1));
  }
}
