import { useState } from 'react';
import { useSearchParams } from 'react-router';

export const PAGE_SIZES = [5, 10, 15, 50] as const;
const SIZE_DEFAULT = 10;

/** Which page of a table is shown, kept in the page's address so that "back" goes back. */
export interface Paging {
  page: number;
  size: number;
  go: (page: number, size?: number) => void;
}

/** `prefix` tells the tables of one page apart. */
export function usePaging(prefix = '', sizeDefault: number = SIZE_DEFAULT): Paging {
  const [params, setParams] = useSearchParams();
  const number = (name: string) => {
    const value = Number(params.get(prefix + name));
    return Number.isSafeInteger(value) && value > 0 ? value : null;
  };
  const size = number('size') ?? sizeDefault;
  return {
    page: number('page') ?? 1,
    size: Math.min(size, 1000),
    go: (page, nextSize = size) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          next.set(`${prefix}page`, String(page));
          next.set(`${prefix}size`, String(nextSize));
          return next;
        },
        { replace: true },
      ),
  };
}

/** The same for a table in a dialog, which begins anew each time. */
export function useLocalPaging(sizeDefault: number = SIZE_DEFAULT): Paging {
  const [{ page, size }, set] = useState({ page: 1, size: sizeDefault });
  return { page, size, go: (next, nextSize = size) => set({ page: next, size: nextSize }) };
}

/** How many pages there are; an empty table has one. */
export function pageCount(total: number, size: number): number {
  return Math.max(1, Math.ceil(total / size));
}

/** Up to five page numbers around the one that is shown. */
export function pagesAround(page: number, pages: number): number[] {
  const first = Math.max(1, Math.min(page - 2, pages - 4));
  const last = Math.min(pages, first + 4);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** What a typed page number means: the nearest that there is, `null` for no number. */
export function pageMeant(text: string, pages: number): number | null {
  const page = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : null;
  return page === null ? null : Math.min(Math.max(page, 1), pages);
}
