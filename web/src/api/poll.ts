/** How often pages ask again. */
import { keepPreviousData, useQuery, type QueryFunction, type QueryKey, type UseQueryResult } from '@tanstack/react-query';
import { useRef } from 'react';
import { ApiFailure } from './failure';

const EVERY_MS = 10_000;
const LONGEST_MS = 120_000;

/** After a failure twice as long each time, and never before the service said. */
export function pollDelay(everyMs: number, failures: number, last: ApiFailure | null): number {
  const backedOff = Math.min(everyMs * 2 ** Math.min(failures, 10), Math.max(LONGEST_MS, everyMs));
  return Math.max(backedOff, (last?.retryAfterSeconds ?? 0) * 1000);
}

interface Poll<T> {
  queryKey: QueryKey;
  queryFn: QueryFunction<T>;
  enabled?: boolean;
  /** Milliseconds between two answers when all is well. */
  every?: number;
  /** Shows what was there before until another page of the same list has come. */
  keep?: boolean;
}

/** A query that asks again by itself while the page is looked at. */
export function usePoll<T>({ queryKey, queryFn, enabled = true, every = EVERY_MS, keep = false }: Poll<T>): UseQueryResult<T> {
  const failed = useRef<{ times: number; last: ApiFailure | null }>({ times: 0, last: null });
  return useQuery({
    queryKey,
    enabled,
    ...(keep ? { placeholderData: keepPreviousData } : {}),
    queryFn: async (context): Promise<T> => {
      try {
        const value = await queryFn(context);
        failed.current = { times: 0, last: null };
        return value;
      } catch (thrown) {
        const last = thrown instanceof ApiFailure ? thrown : null;
        failed.current = { times: failed.current.times + 1, last };
        throw thrown;
      }
    },
    refetchInterval: () => pollDelay(every, failed.current.times, failed.current.last),
    retry: false,
  });
}

/** For all queries: again only what may work later, and not before the service said. */
export const queryRetry = {
  retry: (failures: number, thrown: unknown) =>
    thrown instanceof ApiFailure && thrown.isRetryable && thrown.status !== 429 && failures < 2,
  retryDelay: (failures: number, thrown: unknown) =>
    pollDelay(500, failures, thrown instanceof ApiFailure ? thrown : null),
};
