import { expect, test } from 'vitest';
import { isPlace, isReadableId } from './ids';

test('an id has 32, 34 or 56 hex digits, however it was copied', () => {
  expect(isReadableId('0A8E5A1D000020D00000000001943B5E')).toBe(true);
  expect(isReadableId(' oa8e5a1d000020d0000000000194 3b5e'.replace(' 3', '3'))).toBe(true);
  expect(isReadableId('a'.repeat(34))).toBe(true);
  expect(isReadableId('a'.repeat(56))).toBe(true);
  for (const id of ['', 'a'.repeat(31), 'a'.repeat(33), `${'a'.repeat(31)}g`, 'a'.repeat(16) + ' ' + 'a'.repeat(15)]) {
    expect(isReadableId(id), id).toBe(false);
  }
});

test('a place is a whole number from 0', () => {
  expect(['0', ' 7 ', '9007199254740991'].every(isPlace)).toBe(true);
  expect(['', '-1', '1.5', '0x1', '1e3', '９', '9007199254740992'].some(isPlace)).toBe(false);
});
