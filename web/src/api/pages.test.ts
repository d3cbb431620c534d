import { expect, test } from 'vitest';
import { firstPages } from './pages';

const three = (cursor?: string) => {
  const at = Number(cursor ?? 0);
  return Promise.resolve({ items: [at], cursor: at < 2 ? String(at + 1) : null });
};

test('as many pages are read as are asked for and are there', async () => {
  const read = (count: number) => firstPages(({ cursor }) => three(cursor), count);
  expect(await read(1)).toEqual({ items: [0], hasMore: true });
  expect(await read(2)).toEqual({ items: [0, 1], hasMore: true });
  expect(await read(3)).toEqual({ items: [0, 1, 2], hasMore: false });
  expect(await read(9)).toEqual({ items: [0, 1, 2], hasMore: false });
});
