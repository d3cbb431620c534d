import { expect, test } from 'vitest';
import { isComplete, tidy } from './search';

test('nothing is asked before all is there that is needed', () => {
  expect(isComplete('key', { topic: 'a' })).toBe(false);
  expect(isComplete('key', { topic: 'a', key: 'k' })).toBe(true);
  expect(isComplete('id', { topic: 'a' })).toBe(false);
  expect(isComplete('id', { id: 'x' })).toBe(true);
  expect(isComplete('offset', { topic: 'a', queue: '0', offset: '0' })).toBe(false);
  expect(isComplete('offset', { topic: 'a', queue: '0', offset: '0', broker: 'b' })).toBe(true);
});

test('blanks around and empty fields are left out', () => {
  expect(tidy({ topic: ' a ', key: ' ', group: '' })).toEqual({ topic: 'a' });
});
