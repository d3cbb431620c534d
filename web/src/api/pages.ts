/** Lists that are read page after page, as far as somebody looks. */

interface Page<T> {
  items: T[];
  cursor?: string | null;
}

export interface FirstPages<T> {
  items: T[];
  /** There is more behind them. */
  hasMore: boolean;
}

/** The items of the first pages, at most `count` of them. */
export async function firstPages<T>(
  page: (cursor: { cursor?: string }) => Promise<Page<T>>,
  count: number,
): Promise<FirstPages<T>> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  for (let at = 0; at < count; at++) {
    const got = await page(cursor == null ? {} : { cursor });
    items.push(...got.items);
    cursor = got.cursor;
    if (cursor == null) {
      break;
    }
  }
  return { items, hasMore: cursor != null };
}
