import type { AuditFilter } from '@/api/audit';

/** A page of CSV, with the line of names, and where the next page is. */
export interface CsvPage {
  text: string;
  cursor: string | null;
}

const ROWS = 500;

export function exportPath(filter: AuditFilter, cursor: string | null): string {
  const query = new URLSearchParams({ max: String(ROWS) });
  for (const [name, value] of Object.entries(filter) as [string, string | number | undefined][]) {
    if (value !== undefined) {
      query.set(name, String(value));
    }
  }
  if (cursor !== null) {
    query.set('cursor', cursor);
  }
  return `/v1/audit?${query.toString()}`;
}

/** The lines of a page below that of names. A quoted cell may hold line ends, the line of names does not. */
export function withoutNames(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? '' : text.slice(end + 1);
}

/** How many rows a page has: line ends outside of quotes. */
export function rowsIn(lines: string): number {
  let rows = 0;
  let isQuoted = false;
  for (const char of lines) {
    if (char === '"') {
      isQuoted = !isQuoted;
    } else if (char === '\n' && !isQuoted) {
      rows += 1;
    }
  }
  return rows;
}

/** All pages as one file, telling how many rows are there after each. Stops when `signal` says so. */
export async function exportAll(
  page: (cursor: string | null) => Promise<CsvPage>,
  onProgress: (rows: number) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const parts: string[] = [];
  let rows = 0;
  let cursor: string | null = null;
  do {
    signal.throwIfAborted();
    const got: CsvPage = await page(cursor);
    const lines = withoutNames(got.text);
    parts.push(parts.length === 0 ? got.text : lines);
    rows += rowsIn(lines);
    onProgress(rows);
    ({ cursor } = got);
  } while (cursor !== null);
  return parts;
}
