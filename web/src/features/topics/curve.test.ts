import { expect, test } from 'vitest';
import { filled } from './curve';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 0, 2, 12, 1, 30);
const point = (crtTime: number, inTPS: number, outTPS: number) => ({ crtTime, inTPS, outTPS });

test('a day has 720 points, the last of them of now', () => {
  const { times, produced, consumed } = filled([], NOW);
  expect([times.length, produced.length, consumed.length]).toEqual([720, 720, 720]);
  expect(times.at(-1)).toBe(Date.UTC(2026, 0, 2, 12));
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBe(DAY_MS - 120_000);
  expect(Math.max(...produced, ...consumed)).toBe(0);
});

test('points come where they are of, and gaps are 0', () => {
  const points = [point(Date.UTC(2026, 0, 2, 11, 58), 2.5, 0), point(Date.UTC(2026, 0, 2, 12), 0, 1.25)];
  const { produced, consumed } = filled(points, NOW);
  expect(produced.slice(-3)).toEqual([0, 2.5, 0]);
  expect(consumed.slice(-3)).toEqual([0, 0, 1.25]);
});

test('what is older than a day is not shown', () => {
  const { produced } = filled([point(NOW - DAY_MS, 9, 0)], NOW);
  expect(Math.max(...produced)).toBe(0);
});
