/** The audit log, page after page. */
import { api, call } from './client';
import type { Schemas } from './shared';

export type AuditRow = Schemas['AuditJson'];

/** Times are ms since 1970, both inclusive. */
export interface AuditFilter {
  from?: number;
  to?: number;
  action?: string;
  caller?: string;
  /** How the object begins. */
  object?: string;
  /** For the operator: of this tenant alone. */
  tenant?: number;
}

export async function auditPage(filter: AuditFilter, max: number, cursor?: string | null): Promise<Schemas['AuditList']> {
  const query = { ...filter, max, ...(cursor == null ? {} : { cursor }) };
  // Text is answered to those who ask for CSV or lines.
  return (await call(api.GET('/v1/audit', { params: { query } }))) as Schemas['AuditList'];
}
