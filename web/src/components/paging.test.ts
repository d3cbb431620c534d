import { expect, test } from 'vitest';
import { pageCount, pageMeant, pagesAround } from './paging';

test('an empty table has one page and a full one no empty page', () => {
  expect([0, 1, 5, 6, 10].map((total) => pageCount(total, 5))).toEqual([1, 1, 1, 2, 2]);
});

test('the numbers around a page are at most five and exist', () => {
  expect(pagesAround(1, 1)).toEqual([1]);
  expect(pagesAround(1, 9)).toEqual([1, 2, 3, 4, 5]);
  expect(pagesAround(5, 9)).toEqual([3, 4, 5, 6, 7]);
  expect(pagesAround(9, 9)).toEqual([5, 6, 7, 8, 9]);
  expect(pagesAround(2, 3)).toEqual([1, 2, 3]);
});

test('a typed page is the nearest that there is', () => {
  expect(pageMeant(' 3 ', 9)).toBe(3);
  expect(pageMeant('0', 9)).toBe(1);
  expect(pageMeant('12', 9)).toBe(9);
  expect(pageMeant('', 9)).toBeNull();
  expect(pageMeant('-1', 9)).toBeNull();
  expect(pageMeant('two', 9)).toBeNull();
});
