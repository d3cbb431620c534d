import { expect, test } from 'vitest';
import { movedBy } from './moved';

const row = (consumerOffset: number, rollbackOffset: number) => ({ consumerOffset, rollbackOffset });

test('back and forward are counted apart, and do not cancel each other', () => {
  expect(movedBy([row(5591, 5579), row(3845, 3846), row(7, 7)])).toEqual({ moved: 2, again: 12, skipped: 1 });
});

test('nothing is moved of nothing', () => {
  expect(movedBy([])).toEqual({ moved: 0, again: 0, skipped: 0 });
});
