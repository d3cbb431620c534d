/** What the audit log proves of tenants and instances that are gone. */
import { auditPage, type AuditRow } from '@/api/audit';

export interface Removal {
  kind: 'tenant' | 'instance';
  tenant: number | null;
  /** Number of the tenant, id of the instance. */
  object: string;
  name: string;
  at: number;
  /** By whom; an instance that came to its end has the service for it. */
  caller: string;
  /** Tenants have no data of their own. */
  state: 'erased' | 'pending' | 'removed';
  erasedAt: number | null;
  objects: number | null;
  bytes: number | null;
  /** The rows that all this is from. */
  evidence: readonly AuditRow[];
}

const ACTIONS = ['tenant.delete', 'instance.delete', 'instance.expire', 'instance.erased'] as const;
const ROWS = 500;
const PAGES_MAX = 20;

function textOf(row: AuditRow, name: string): string {
  const value = (row.detail as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : '';
}

function numberOf(row: AuditRow | undefined, name: string): number | null {
  const value = (row?.detail as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'number' ? value : null;
}

/** One line for each tenant and instance that was removed, newest first, with the proof that its data is erased. */
export function removalsOf(rows: readonly AuditRow[]): Removal[] {
  const erased = new Map(rows.filter(({ action }) => action === 'instance.erased').map((row) => [row.object, row]));
  const lines = rows.flatMap((row): Removal[] => {
    const common = { tenant: row.tenant ?? null, object: row.object, name: textOf(row, 'name'), at: row.at, caller: row.caller };
    if (row.action === 'tenant.delete') {
      return [{ ...common, kind: 'tenant', state: 'removed', erasedAt: null, objects: null, bytes: null, evidence: [row] }];
    }
    if (row.action !== 'instance.delete' && row.action !== 'instance.expire') {
      return [];
    }
    const proof = erased.get(row.object);
    return [
      {
        ...common,
        kind: 'instance',
        state: proof === undefined ? 'pending' : 'erased',
        erasedAt: proof?.at ?? null,
        objects: numberOf(proof, 'objects'),
        bytes: numberOf(proof, 'bytes'),
        evidence: proof === undefined ? [row] : [row, proof],
      },
    ];
  });
  return lines.sort((a, b) => b.at - a.at);
}

async function rowsOf(action: string, tenant: number | null): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  let cursor: string | null | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await auditPage({ action, ...(tenant === null ? {} : { tenant }) }, ROWS, cursor);
    rows.push(...page.items);
    cursor = page.cursor;
    if (cursor == null) {
      break;
    }
  }
  return rows;
}

/** Of a tenant, or of all. */
export async function findRemovals(tenant: number | null): Promise<Removal[]> {
  const found = await Promise.all(ACTIONS.map((action) => rowsOf(action, tenant)));
  return removalsOf(found.flat());
}
