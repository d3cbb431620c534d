import { describe, expect, it } from 'vitest';
import { exportAll, exportPath, rowsIn, type CsvPage } from './exportRows';
import { filterOf } from './filter';

const NONE = { range: null, outcome: '', instance: '' } as const;

describe('filterOf', () => {
  it('asks for nothing that is not chosen', () => {
    expect(filterOf({ ...NONE, caller: '  ', action: '' }, null)).toEqual({});
  });

  it('asks for all that is, to the end of the last minute', () => {
    const range = [{ valueOf: () => 1000 }, { valueOf: () => 60_000 }] as const;
    const fields = { range, caller: ' operator ', action: 'topic.create', outcome: '' as const, instance: 'abc' };
    expect(filterOf(fields, 2)).toEqual({
      from: 1000, to: 119_999, caller: 'operator', action: 'topic.create', object: 'abc', tenant: 2,
    });
  });

  it('refusals have an action of their own', () => {
    expect(filterOf({ ...NONE, action: 'topic.create', outcome: 'denied' }, null)).toEqual({ action: 'denied' });
  });
});

describe('the export', () => {
  const HEAD = 'id,detail\r\n';
  const pages: Record<string, CsvPage> = {
    first: { text: `${HEAD}3,"a\r\nb"\r\n2,"""x"""\r\n`, cursor: 'next' },
    next: { text: `${HEAD}1,"c"\r\n`, cursor: null },
  };
  const page = (cursor: string | null) => Promise.resolve(pages[cursor ?? 'first'] ?? { text: '', cursor: null });

  it('is one file with one line of names, and counts rows rather than lines', async () => {
    const progress: number[] = [];
    const parts = await exportAll(page, (rows) => progress.push(rows), new AbortController().signal);
    expect(parts.join('')).toBe(`${HEAD}3,"a\r\nb"\r\n2,"""x"""\r\n1,"c"\r\n`);
    expect(progress).toEqual([2, 3]);
    expect(rowsIn('')).toBe(0);
  });

  it('stops when it is told to', async () => {
    const control = new AbortController();
    const run = exportAll(page, () => control.abort(), control.signal);
    await expect(run).rejects.toThrow(/abort/i);
  });

  it('sends the filter and the cursor', () => {
    expect(exportPath({ caller: 'console:2/a b', from: 5 }, 'c=')).toBe('/v1/audit?max=500&caller=console%3A2%2Fa+b&from=5&cursor=c%3D');
    expect(exportPath({}, null)).toBe('/v1/audit?max=500');
  });
});
