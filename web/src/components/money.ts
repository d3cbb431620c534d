/** Money is millionths of a currency's unit on the wire, and a decimal on the page. */

const MICROS = 1_000_000;
const DECIMALS = 6;

/** `1.5` for 1500000; whole numbers of the unit and two decimals at least. */
export function moneyText(micros: number): string {
  const sign = micros < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(micros) / MICROS);
  const rest = String(Math.abs(micros) % MICROS).padStart(DECIMALS, '0');
  const decimals = rest.replace(/0+$/, '').padEnd(2, '0');
  return `${sign}${whole}.${decimals}`;
}

/** What a person typed; `null` if it is no amount of 0 or more with at most six decimals. */
export function microsOfText(text: string): number | null {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (match === null) {
    return null;
  }
  const [, whole = '0', decimals = ''] = match;
  return Number(whole) * MICROS + Number(decimals.padEnd(DECIMALS, '0'));
}
