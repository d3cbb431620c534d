import { describe, expect, it } from 'vitest';
import type { AuditRow } from '@/api/audit';
import { removalsOf } from './removals';

let id = 0;
function row(action: string, object: string, at: number, detail: object = {}): AuditRow {
  id += 1;
  return { id, at, tenant: 2, caller: 'operator', action, object, requestId: 'r', detail: detail as AuditRow['detail'] };
}

describe('removalsOf', () => {
  it('matches an erasure with its instance alone, and keeps both rows as proof', () => {
    const gone = row('instance.delete', 'one', 10, { name: 'demo' });
    const proof = row('instance.erased', 'one', 30, { name: 'demo', objects: 3, bytes: 4096 });
    const [second, first] = removalsOf([proof, gone, row('instance.delete', 'two', 20, { name: 'demo' })]);
    expect(first).toMatchObject({ object: 'one', name: 'demo', state: 'erased', at: 10, erasedAt: 30, objects: 3, bytes: 4096 });
    expect(first?.evidence).toEqual([gone, proof]);
    expect(second).toMatchObject({ object: 'two', state: 'pending', erasedAt: null, objects: null });
  });

  it('knows instances that came to their end, and tenants, which are not erased', () => {
    const lines = removalsOf([row('tenant.delete', '2', 9, { name: 'acme' }), row('instance.expire', 'old', 8, { name: 'old' })]);
    expect(lines.map(({ kind, state, name }) => [kind, state, name])).toEqual([
      ['tenant', 'removed', 'acme'],
      ['instance', 'pending', 'old'],
    ]);
  });

  it('does not take what is no removal, nor an erasure whose removal is not known', () => {
    expect(removalsOf([row('instance.create', 'one', 1), row('instance.erased', 'one', 2), row('tenant.rename', '2', 3)])).toEqual([]);
  });
});
