import { describe, expect, it } from 'vitest';
import { areNames, DAY_MS, isEnd, isPassword } from './rules';

describe('what is told before it is sent', () => {
  it('counts the bytes of a password, not its letters', () => {
    expect(['1234567', '12345678', '密码啊', '密码', undefined, 'x'.repeat(256), 'x'.repeat(257)].map(isPassword)).toEqual([
      false, true, true, false, false, true, false,
    ]);
  });

  it('lets tokens end in two years at most, and not before now', () => {
    const now = 1000;
    expect([now, now + 1, now + 730 * DAY_MS, now + 730 * DAY_MS + 1].map((at) => isEnd(at, now))).toEqual([false, true, true, false]);
  });

  it('knows names', () => {
    expect(areNames(undefined)).toBe(true);
    expect(areNames(['orders', 'a-b_1'])).toBe(true);
    expect(areNames(['no name'])).toBe(false);
    expect(areNames(['x'.repeat(65)])).toBe(false);
    expect(areNames(Array.from({ length: 1001 }, (_, at) => `n${at}`))).toBe(false);
  });
});
