/** Quantities for people; files have them exactly. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** The unit in which the largest of some byte counts is easy to read. */
export function unitFor(most: number): { unit: string; divisor: number } {
  let at = 0;
  while (at < UNITS.length - 1 && most >= 1024 ** (at + 1)) {
    at += 1;
  }
  return { unit: UNITS[at] ?? 'B', divisor: 1024 ** at };
}

export function bytesText(bytes: number): string {
  const { unit, divisor } = unitFor(Math.abs(bytes));
  const value = bytes / divisor;
  return `${Number.isInteger(value) ? value : value.toFixed(2)} ${unit}`;
}

/** What a line's quantity, or what its price is for, says. */
export function quantityText(item: string, quantity: number, hours: string): string {
  switch (item) {
    case 'instanceMonth':
      return `${quantity} ${hours}`;
    case 'storedGibHoursHot':
    case 'storedGibHoursCold':
      return `${bytesText(quantity)}·${hours}`;
    case 'bytesIn':
    case 'bytesOut':
      return bytesText(quantity);
    default:
      return quantity.toLocaleString('en-US');
  }
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
const POINTS_MAX = 10_000;

/** Every step of a range, also those in which nothing was used, which the service leaves out. */
export function filled<Line extends { hour?: number | null }>(
  lines: readonly Line[],
  from: number,
  to: number,
  step: number,
): { times: number[]; lines: (Line | null)[] } {
  const known = new Map(lines.map((line) => [line.hour, line]));
  const first = Math.floor(from / step) * step;
  const count = Math.min(Math.floor((to - first) / step) + 1, POINTS_MAX);
  const times = Array.from({ length: Math.max(count, 0) }, (_, at) => first + at * step);
  return { times, lines: times.map((time) => known.get(time) ?? null) };
}
