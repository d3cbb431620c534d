import { expect, test } from 'vitest';
import { lasted } from './lasted';

test('the largest unit that fits is told', () => {
  expect(lasted(-5)).toEqual({ unit: 'seconds', count: 0 });
  expect(lasted(999)).toEqual({ unit: 'seconds', count: 0 });
  expect(lasted(59_999)).toEqual({ unit: 'seconds', count: 59 });
  expect(lasted(60_000)).toEqual({ unit: 'minutes', count: 1 });
  expect(lasted(3 * 3_600_000 + 1)).toEqual({ unit: 'hours', count: 3 });
  expect(lasted(50 * 3_600_000)).toEqual({ unit: 'days', count: 2 });
});
