import { expect, test } from 'vitest';
import type { Schemas } from '@/api/shared';
import { isDescription, NAME, topicRights, SECRET } from './rules';

test('names are of letters, digits, underscores and hyphens', () => {
  for (const name of ['a', 'A-1_b', 'x'.repeat(64)]) {
    expect(NAME.test(name), name).toBe(true);
  }
  for (const name of ['', 'a b', '用户', 'a.b', 'x'.repeat(65)]) {
    expect(NAME.test(name), name).toBe(false);
  }
});

test('secrets are visible ASCII', () => {
  expect(SECRET.test('pa$$~!')).toBe(true);
  for (const secret of ['', 'a b', '密码', 'x'.repeat(129)]) {
    expect(SECRET.test(secret), secret).toBe(false);
  }
});

test('a description is measured in bytes', () => {
  expect(isDescription('x'.repeat(512))).toBe(true);
  expect(isDescription('中'.repeat(171))).toBe(false);
});

test('a user may do with its topics what these allow, and nothing with one that is gone', () => {
  const topics = (['readWrite', 'read', 'write'] as const).map(
    (permission) => ({ name: permission, permission }) as Schemas['TopicJson'],
  );
  expect(topicRights(['readWrite', 'read', 'write', 'gone'], topics)).toEqual([
    { topic: 'readWrite', send: true, receive: true },
    { topic: 'read', send: false, receive: true },
    { topic: 'write', send: true, receive: false },
    { topic: 'gone', send: false, receive: false },
  ]);
});
