/** Amounts of different kinds, for people. */

const STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`: three figures at most. */
export function bytesText(bytes: number): string {
  let [value, step] = [bytes, 0];
  while (value >= 1024 && step < STEPS.length - 1) {
    value /= 1024;
    step += 1;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${STEPS[step] ?? ''}`;
}

export function amountText(name: string, amount: number): string {
  if (name.endsWith('Bytes')) {
    return bytesText(amount);
  }
  return Number.isInteger(amount) ? String(amount) : amount.toFixed(3);
}

export type Level = 'good' | 'near' | 'full';
const NEAR = 0.8;

/** How much of a limit is used, from 0 to 1; `null` when there is none, or it is not known. */
export function shareOf(used: number | null | undefined, max: number | null | undefined): number | null {
  return used == null || max == null || max <= 0 ? null : Math.min(used / max, 1);
}

export function levelOf(share: number): Level {
  return share >= 1 ? 'full' : share >= NEAR ? 'near' : 'good';
}
