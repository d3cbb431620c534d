import { expect, test } from 'vitest';
import { failureOf } from './failure';
import { pollDelay } from './poll';

test('failures make polling slower, up to a bound', () => {
  expect(pollDelay(10_000, 0, null)).toBe(10_000);
  expect(pollDelay(10_000, 1, null)).toBe(20_000);
  expect(pollDelay(10_000, 30, null)).toBe(120_000);
});

test('nothing is asked before the service said', () => {
  const body = { error: { code: 'RATE_LIMITED', message: 'm', details: { limit: 'topic', limitTps: 5000 } } };
  const answer = new Response('', { status: 429, headers: { 'retry-after': '300' } });
  const failure = failureOf(answer, body);
  expect(pollDelay(10_000, 1, failure)).toBe(300_000);
  expect(failure.limit).toEqual({ name: 'topic', tps: 5000 });
  expect(failure.isRetryable).toBe(true);
});

test('both forms of failure are understood, and any other', () => {
  const answer = (status: number) => new Response('', { status, headers: { 'firn-request-id': 'r-1' } });
  const native = failureOf(answer(404), { error: { code: 'TOPIC_NOT_FOUND', message: 'gone', requestId: 'r-2' } });
  expect([native.code, native.message, native.requestId]).toEqual(['TOPIC_NOT_FOUND', 'gone', 'r-2']);
  const managed = failureOf(answer(409), { code: 409, message: 'in use', result: {} });
  expect([managed.code, managed.message, managed.requestId]).toEqual(['HTTP_409', 'in use', 'r-1']);
  for (const odd of [null, undefined, 'text', [], { error: 'x' }]) {
    expect(failureOf(answer(502), odd).code).toBe('HTTP_502');
  }
});
