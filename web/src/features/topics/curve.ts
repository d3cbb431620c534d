/** Curves of T11, which has no points where nothing was sent or taken. */
import type { Schemas } from '@/api/shared';

/** One point is of two minutes. */
const STEP_MS = 120_000;
const STEPS = 720;

export interface Filled {
  times: number[];
  produced: number[];
  consumed: number[];
}

/** A point for each step of the last 24 hours; 0 where none came. */
export function filled(points: readonly Schemas['TpsPoint'][], now: number): Filled {
  const last = Math.floor(now / STEP_MS);
  const times = Array.from({ length: STEPS }, (_, at) => (last + 1 - STEPS + at) * STEP_MS);
  const known = new Map(points.map((point) => [Math.floor(point.crtTime / STEP_MS) * STEP_MS, point]));
  return {
    times,
    produced: times.map((time) => known.get(time)?.inTPS ?? 0),
    consumed: times.map((time) => known.get(time)?.outTPS ?? 0),
  };
}
