import { expect, test } from 'vitest';
import { amountText, bytesText, levelOf, shareOf } from './amounts';

test('bytes are told in the unit that fits', () => {
  expect([0, 1023, 1024, 1536, 200 * 2 ** 30, 5 * 2 ** 60].map(bytesText)).toEqual([
    '0 B', '1023 B', '1 KiB', '1.5 KiB', '200 GiB', '5242880 TiB',
  ]);
});

test('counts are whole and rates have three decimals', () => {
  expect([amountText('topics', 5), amountText('tps', 12.34567), amountText('storageBytes', 1024)]).toEqual(['5', '12.346', '1 KiB']);
});

test('a share is known only of what is limited and counted', () => {
  expect([shareOf(5, 10), shareOf(11, 10), shareOf(0, 10)]).toEqual([0.5, 1, 0]);
  expect([shareOf(null, 10), shareOf(5, null), shareOf(5, 0)]).toEqual([null, null, null]);
  expect([0.79, 0.8, 0.999, 1].map(levelOf)).toEqual(['good', 'near', 'near', 'full']);
});
