import { expect, test } from 'vitest';
import { minuteText, msOfText, secondText } from './time';

const AT = Date.UTC(2026, 0, 2, 20, 30, 5);

test('times are of the zone', () => {
  expect(secondText(AT, 'UTC')).toBe('2026-01-02 20:30:05');
  expect(secondText(AT, 'UTC+8')).toBe('2026-01-03 04:30:05');
  expect(secondText(AT, 'UTC-03:30')).toBe('2026-01-02 17:00:05');
  expect(minuteText(AT, 'Europe/Vienna')).toBe('2026-01-02 21:30');
  expect(minuteText(null, 'UTC')).toBe('-');
});

test('a text comes back as the time it was of', () => {
  for (const zone of ['UTC', 'UTC+8', 'UTC-03:30', 'Europe/Vienna', 'America/New_York']) {
    for (const at of [AT, Date.UTC(2026, 6, 1), Date.UTC(2026, 2, 29, 0, 59, 59), Date.UTC(2026, 2, 29, 1)]) {
      expect(msOfText(secondText(at, zone), zone), `${zone} ${at}`).toBe(at);
    }
  }
  expect(msOfText('2026-13-01 00:00:00', 'UTC')).toBeNull();
  expect(msOfText('yesterday', 'UTC')).toBeNull();
});
