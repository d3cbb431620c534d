import { describe, expect, it } from 'vitest';
import { bytesText, DAY_MS, filled, HOUR_MS, quantityText, unitFor } from './numbers';

describe('quantities', () => {
  it('are in the unit that is easy to read', () => {
    expect([0, 1023, 1024, 1536, 2 ** 30, 2 ** 40 * 1.25].map(bytesText)).toEqual([
      '0 B', '1023 B', '1 KiB', '1.50 KiB', '1 GiB', '1.25 TiB',
    ]);
    expect(bytesText(-2048)).toBe('-2 KiB');
    expect(unitFor(2 ** 70)).toEqual({ unit: 'PiB', divisor: 2 ** 50 });
  });

  it('say what they are of', () => {
    expect(quantityText('instanceMonth', 720, 'h')).toBe('720 h');
    expect(quantityText('storedGibHoursCold', 2 ** 30, 'h')).toBe('1 GiB·h');
    expect(quantityText('bytesOut', 2048, 'h')).toBe('2 KiB');
    expect(quantityText('unitsIn', 1_000_000, 'h')).toBe('1,000,000');
    expect(quantityText('something new', 5, 'h')).toBe('5');
  });
});

describe('filled', () => {
  it('has every hour from the one of the begin to the one of the end', () => {
    const line = { hour: 6 * HOUR_MS };
    expect(filled([line], 5 * HOUR_MS + 1, 7 * HOUR_MS, HOUR_MS)).toEqual({
      times: [5 * HOUR_MS, 6 * HOUR_MS, 7 * HOUR_MS],
      lines: [null, line, null],
    });
  });

  it('has days of UTC, and nothing when the end is before the begin', () => {
    expect(filled([], 2.5 * DAY_MS, 3.5 * DAY_MS, DAY_MS).times).toEqual([2 * DAY_MS, 3 * DAY_MS]);
    expect(filled([], 5 * DAY_MS, 2 * DAY_MS, DAY_MS).times).toEqual([]);
  });
});
