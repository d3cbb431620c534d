/** Counts of many topics or groups, which the API gives one at a time. */
import { asFailure } from '@/api/failure';

/** More are not asked about: the page must not be a load. */
export const ASKED_MAX = 200;
const AT_ONCE = 4;

export interface Survey<T> {
  found: T[];
  asked: number;
  /** Those that were not asked about included. */
  total: number;
}

/**
 * Asks about the first names, a few at a time. What was removed meanwhile is left out; any
 * other failure ends the survey, since a ranking with holes would mislead.
 */
export async function survey<T>(all: readonly string[], ask: (name: string) => Promise<T>): Promise<Survey<T>> {
  const names = all.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)).slice(0, ASKED_MAX);
  const found: T[] = [];
  const left = names.values();
  let hasFailed = false;
  const work = async () => {
    for (const name of left) {
      if (hasFailed) {
        return;
      }
      try {
        found.push(await ask(name));
      } catch (thrown) {
        if (asFailure(thrown).status !== 404) {
          hasFailed = true;
          throw thrown;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { found, asked: names.length, total: all.length };
}
