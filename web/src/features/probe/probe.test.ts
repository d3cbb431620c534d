import { describe, expect, it } from 'vitest';
import { eventOf, eventsOf } from './events';
import { batchSize, bodyOf, consumerName, isWholeNumber, probeMessage, takes } from './messages';

describe('probe messages', () => {
  it('have the tag, key and body of the guide, in the chosen size', () => {
    const { body, tag, keys } = probeMessage({ type: 'normal', bytes: 1024, level: 1 });
    expect(tag).toBe('webtest');
    expect(keys).toHaveLength(1);
    expect(keys?.[0]).toMatch(/^\d{13}$/);
    expect(body).toHaveLength(1024);
    expect(body?.trimEnd()).toBe(`WebTestTools_${keys?.[0] ?? ''}`);
    expect(bodyOf(1562146038371, 1024).startsWith('WebTestTools_1562146038371 ')).toBe(true);
  });

  it('have a key of their own each', () => {
    const keys = Array.from({ length: 100 }, () => probeMessage({ type: 'normal', bytes: 30, level: 1 }).keys?.[0]);
    expect(new Set(keys).size).toBe(100);
  });

  it('are what the type says, and no more', () => {
    const of = (type: 'normal' | 'fifo' | 'delay' | 'transaction') => probeMessage({ type, bytes: 30, level: 3 });
    expect(of('delay').delayLevel).toBe(3);
    expect(of('fifo').messageGroup).toBe('WebTestTools');
    for (const type of ['normal', 'transaction'] as const) {
      expect(Object.keys(of(type)).sort()).toEqual(['body', 'keys', 'tag']);
    }
    expect(takes('mixed', 'delay')).toBe(true);
    expect(takes('normal', 'normal')).toBe(true);
    expect(takes('normal', 'fifo')).toBe(false);
  });

  it('fit in a request', () => {
    for (const bytes of [1024, 65_536, 524_288, 16 * 1024 * 1024]) {
      const size = batchSize(bytes);
      expect(size).toBeGreaterThanOrEqual(1);
      expect(size === 1 || size * bytes < 8 * 1024 * 1024).toBe(true);
    }
  });

  it('are counted from 1 to the limit', () => {
    expect([1, 50, 100].every((count) => isWholeNumber(count, 100))).toBe(true);
    for (const value of [0, 101, -1, 1.5, null, undefined, NaN, '5']) {
      expect(isWholeNumber(value, 100)).toBe(false);
    }
  });

  it('are consumed by a member with a name of its own', () => {
    expect(consumerName()).toMatch(/^WebTestToolsConsumer_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(consumerName()).not.toBe(consumerName());
  });
});

describe('server-sent events', () => {
  it('are read line by line', () => {
    expect(eventOf('event: message\nid: h\ndata: {"a":"b: c"}')).toEqual({ event: 'message', data: '{"a":"b: c"}' });
    expect(eventOf('data: 1\ndata:2')).toEqual({ event: 'message', data: '1\n2' });
    expect(eventOf(': keep-alive')).toBe(null);
  });

  it('may come in any pieces, also within a character', async () => {
    const bytes = new TextEncoder().encode(': hello\n\nevent: message\ndata: "中文"\n\nevent: error\ndata: 2\n\ndata: cut');
    for (const size of [1, 2, 3, 7, 1000]) {
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size) {
            controller.enqueue(bytes.slice(at, at + size));
          }
          controller.close();
        },
      });
      const found = [];
      for await (const event of eventsOf(new Response(stream))) {
        found.push(event);
      }
      expect(found).toEqual([
        { event: 'message', data: '"中文"' },
        { event: 'error', data: '2' },
      ]);
    }
  });
});
