/** What the service accepts, told before it is asked. */

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const NAMES_MAX = 1000;
const PASSWORD = { min: 8, max: 256 };
export const DAY_MS = 24 * 3_600_000;
const LIFE_DAYS_MAX = 2 * 365;

export function isName(text: string): boolean {
  return NAME.test(text);
}

export function areNames(names: readonly string[] | undefined): boolean {
  return names === undefined || (names.length <= NAMES_MAX && names.every(isName));
}

/** By bytes, as it is sent. */
export function isPassword(text: string | undefined): boolean {
  const { length } = new TextEncoder().encode(text ?? '');
  return length >= PASSWORD.min && length <= PASSWORD.max;
}

/** When a token may end. */
export function isEnd(ms: number, now: number): boolean {
  return ms > now && ms <= now + LIFE_DAYS_MAX * DAY_MS;
}
