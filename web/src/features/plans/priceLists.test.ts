import { describe, expect, it } from 'vitest';
import { isFutureHour, newestOf, nextHour, sorted, type PriceList } from './priceLists';

const list = (name: string, version: number): PriceList => ({ name, version, validFrom: 0, currency: 'USD', prices: [] });

describe('price lists', () => {
  it('are shown by name, newest first, and by number, not by text', () => {
    const names = sorted([list('standard', 9), list('gold', 1), list('standard', 10)]).map((it) => `${it.name}/${it.version}`);
    expect(names).toEqual(['gold/1', 'standard/10', 'standard/9']);
    expect(newestOf([list('standard', 9), list('standard', 10)], 'standard')?.version).toBe(10);
    expect(newestOf([list('standard', 1)], 'gold')).toBeNull();
  });

  it('begin with an hour that has not begun', () => {
    const hour = 3_600_000;
    expect(nextHour(5 * hour)).toBe(6 * hour);
    expect(nextHour(5 * hour + 1)).toBe(6 * hour);
    expect(isFutureHour(6 * hour, 5 * hour + 1)).toBe(true);
    expect(isFutureHour(6 * hour, 6 * hour)).toBe(false);
    expect(isFutureHour(6 * hour + 60_000, 5 * hour)).toBe(false);
  });
});
