import { expect, test } from 'vitest';
import { ApiFailure } from '@/api/failure';
import { ASKED_MAX, survey } from './survey';

const names = (count: number) => Array.from({ length: count }, (_, at) => `t-${String(at).padStart(4, '0')}`);
const failure = (status: number) => new ApiFailure(status, 'X', 'x');

test('never more than four at once, and no more than the cap, the first by name', async () => {
  let running = 0;
  let most = 0;
  const { found, asked, total } = await survey(names(ASKED_MAX + 7).toReversed(), async (name) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return name;
  });
  expect(most).toBe(4);
  expect([asked, total]).toEqual([ASKED_MAX, ASKED_MAX + 7]);
  expect(found.toSorted()).toEqual(names(ASKED_MAX));
});

test('what was removed meanwhile is left out', async () => {
  const { found } = await survey(['a', 'b', 'c'], (name) =>
    name === 'b' ? Promise.reject(failure(404)) : Promise.resolve(name),
  );
  expect(found.toSorted()).toEqual(['a', 'c']);
});

test('any other failure is that of the survey, and nothing more is asked', async () => {
  const asked: string[] = [];
  const run = survey(names(100), (name) => {
    asked.push(name);
    return Promise.reject(failure(429));
  });
  await expect(run).rejects.toMatchObject({ status: 429 });
  expect(asked.length).toBeLessThanOrEqual(4);
});

test('nothing to ask about', async () => {
  expect(await survey([], () => Promise.resolve(1))).toEqual({ found: [], asked: 0, total: 0 });
});
