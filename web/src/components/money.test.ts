import { describe, expect, it } from 'vitest';
import { microsOfText, moneyText } from './money';

describe('money', () => {
  it('is shown to the last millionth, and not rounded', () => {
    expect([0, 1, 50_000, 10_000_000, 13_889, 999_999_999_999].map(moneyText)).toEqual([
      '0.00', '0.000001', '0.05', '10.00', '0.013889', '999999.999999',
    ]);
    expect(moneyText(-1_230_000)).toBe('-1.23');
  });

  it('is what was typed, without the faults of binary fractions', () => {
    expect(['0', '0.4', ' 1.10 ', '0.000001', '4.35'].map(microsOfText)).toEqual([0, 400_000, 1_100_000, 1, 4_350_000]);
  });

  it('is nothing else', () => {
    for (const text of ['', '-1', '1,5', '.5', '1.', '1e3', '0.0000001', 'ten', '1 2']) {
      expect(microsOfText(text), text).toBeNull();
    }
  });
});
