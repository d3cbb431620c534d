/** Lists that are read page after page, as far as somebody looks. */
import type { QueryKey, UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { usePoll } from './poll';

interface Page<T> {
  items: T[];
  cursor?: string | null;
}

export interface FirstPages<T> {
  items: T[];
  /** There is more behind them. */
  hasMore: boolean;
}

/** The items of the first pages, at most `count` of them. */
export async function firstPages<T>(
  page: (cursor: { cursor?: string }) => Promise<Page<T>>,
  count: number,
): Promise<FirstPages<T>> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  for (let at = 0; at < count; at++) {
    const got = await page(cursor == null ? {} : { cursor });
    items.push(...got.items);
    cursor = got.cursor;
    if (cursor == null) {
      break;
    }
  }
  return { items, hasMore: cursor != null };
}

interface Pages<T> {
  queryKey: QueryKey;
  page: (cursor: { cursor?: string }) => Promise<Page<T>>;
  enabled?: boolean;
  /** Milliseconds between two answers while one page is shown; many are asked for less often. */
  every?: number;
}

/** The first page, kept up to date, and `more` for one more. */
export function usePages<T>({ queryKey, page, enabled = true, every = 15_000 }: Pages<T>): {
  query: UseQueryResult<FirstPages<T>>;
  more: () => void;
} {
  const key = JSON.stringify(queryKey);
  const [wanted, want] = useState({ key, count: 1 });
  const count = wanted.key === key ? wanted.count : 1;
  const query = usePoll({ queryKey, enabled, every: every * count, queryFn: () => firstPages(page, count) });
  const { refetch } = query;
  // What is there stays on the page while more comes.
  useEffect(() => {
    if (count > 1) {
      void refetch();
    }
  }, [count, refetch]);
  return { query, more: () => want({ key, count: count + 1 }) };
}
