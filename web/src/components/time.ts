/** Times are ms since 1970 on the wire and `yyyy-MM-dd HH:mm:ss` in a zone on the page. */

const MINUTE_MS = 60_000;

/** The offset of `UTC+8` or `UTC-03:30`; `null` for zones by name. */
function fixedOffsetMs(zone: string): number | null {
  const match = /^UTC(?:([+-])(\d{1,2})(?::?(\d{2}))?)?$/.exec(zone);
  if (match === null) {
    return null;
  }
  const [, sign, hours = '0', minutes = '0'] = match;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

/** What a zone is ahead of UTC at a time; of the browser's zone without one. */
function offsetMs(ms: number, zone: string | undefined): number {
  if (zone === undefined) {
    return -new Date(ms).getTimezoneOffset() * MINUTE_MS;
  }
  const fixed = fixedOffsetMs(zone);
  if (fixed !== null) {
    return fixed;
  }
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
    return fixedOffsetMs(name.replace('GMT', 'UTC')) ?? 0;
  } catch {
    // A zone that this browser does not know.
    return 0;
  }
}

/** `yyyy-MM-dd HH:mm:ss`; `-` for nothing. */
export function secondText(ms: number | null | undefined, zone?: string): string {
  if (ms == null) {
    return '-';
  }
  return new Date(ms + offsetMs(ms, zone)).toISOString().slice(0, 19).replace('T', ' ');
}

/** `yyyy-MM-dd HH:mm`; `-` for nothing. */
export function minuteText(ms: number | null | undefined, zone?: string): string {
  return secondText(ms, zone).slice(0, 16);
}

/** The time of a `yyyy-MM-dd HH:mm:ss` that is meant in a zone; `null` if it is none. */
export function msOfText(text: string, zone?: string): number | null {
  const asUtc = /^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?$/.test(text) ? Date.parse(`${text.replace(' ', 'T')}Z`) : NaN;
  if (Number.isNaN(asUtc)) {
    return null;
  }
  // Twice, because the offset is one of the result, which may lie behind a change of it.
  const near = asUtc - offsetMs(asUtc, zone);
  return asUtc - offsetMs(near, zone);
}
