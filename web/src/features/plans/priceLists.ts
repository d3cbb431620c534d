import { queryOptions } from '@tanstack/react-query';
import { api, call, everyItem } from '@/api/client';
import type { Schemas } from '@/api/shared';

export type PriceList = Schemas['PriceListJson'];
export type Price = Schemas['PriceJson'];

export const ITEMS = [
  'instanceMonth',
  'unitsIn',
  'unitsOut',
  'bytesIn',
  'bytesOut',
  'apiCalls',
  'storedGibHoursHot',
  'storedGibHoursCold',
] as const;
export type Item = (typeof ITEMS)[number];

export function isItem(name: string): name is Item {
  return (ITEMS as readonly string[]).includes(name);
}

export const priceListsQuery = queryOptions({
  queryKey: ['price-lists'],
  queryFn: () => everyItem((query) => call(api.GET('/v1/price-lists', { params: { query } }))),
  staleTime: 60_000,
});

/** By name, the newest version first. */
export function sorted(lists: readonly PriceList[]): PriceList[] {
  return [...lists].sort((a, b) => a.name.localeCompare(b.name) || b.version - a.version);
}

/** What a new version starts from: the newest of the list, or of the one that is there from the beginning. */
export function newestOf(lists: readonly PriceList[], name: string): PriceList | null {
  return sorted(lists).find((list) => list.name === name) ?? null;
}

const HOUR_MS = 3_600_000;

/** The first hour that has not begun. */
export function nextHour(now: number): number {
  return (Math.floor(now / HOUR_MS) + 1) * HOUR_MS;
}

export function isFutureHour(ms: number, now: number): boolean {
  return ms % HOUR_MS === 0 && ms >= nextHour(now);
}
