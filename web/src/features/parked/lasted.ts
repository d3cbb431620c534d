/** How long something lasts, in its largest unit. */

export type Unit = 'days' | 'hours' | 'minutes' | 'seconds';

const UNITS: readonly [Unit, number][] = [
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
  ['seconds', 1000],
];

/** Clocks differ a little: what has not begun lasts no time. */
export function lasted(ms: number): { unit: Unit; count: number } {
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? (['seconds', 1000] as const);
  return { unit, count: Math.max(0, Math.floor(ms / size)) };
}
