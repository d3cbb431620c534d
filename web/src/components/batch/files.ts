/** Lists of topics and groups as files: what is asked of the service, and what comes back. */
import { api, call, raw } from '@/api/client';
import type { Instance, Schemas } from '@/api/shared';

/** What a file lists; also the last part of its calls. */
export type Kind = 'topics' | 'groups';
export type FileFormat = 'csv' | 'xlsx';
export type Imported = Schemas['ImportJson'];

export const FILE_BYTES_MAX = 4 * 1024 * 1024;
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

/** Why a file is not worth sending; `null` if it may be. */
export function fileFault({ name, size }: { name: string; size: number }): 'type' | 'empty' | 'large' | null {
  if (!/\.(csv|xlsx)$/i.test(name)) {
    return 'type';
  }
  if (size === 0) {
    return 'empty';
  }
  return size > FILE_BYTES_MAX ? 'large' : null;
}

function address(instance: Instance, kind: Kind, action: string, query: Record<string, readonly string[]>): string {
  const given = Object.entries(query).filter(([, values]) => values.length > 0);
  const params = new URLSearchParams(given.map(([name, values]) => [name, values.join(',')]));
  return `/v1/instances/${encodeURIComponent(instance.id)}/${kind}/${action}?${params.toString()}`;
}

export function templatePath(instance: Instance, kind: Kind): string {
  return address(instance, kind, 'template', { format: ['csv'] });
}

interface Wanted {
  /** Ticked ones, or `name@broker` for a line of one; none is all. */
  names: readonly string[];
  /** None is all. */
  brokers: readonly string[];
}

export function exportPath(instance: Instance, kind: Kind, format: FileFormat, { names, brokers }: Wanted): string {
  return address(instance, kind, 'export', { format: [format], names, brokers });
}

/** The name that an answer gives its file. */
export function fileName(disposition: string | null, otherwise: string): string {
  return /filename="([^"/\\]+)"/.exec(disposition ?? '')?.[1] ?? otherwise;
}

/** Gets a file and has the browser keep it. */
export async function download(path: string, otherwise: string): Promise<void> {
  const response = await raw(path);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = fileName(response.headers.get('content-disposition'), otherwise);
  link.click();
  // Not before the browser has begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

interface Upload {
  instance: Instance;
  kind: Kind;
  file: File;
  /** Of topics; none is all. */
  brokers: readonly string[];
  dryRun: boolean;
}

/** Makes what a file lists, or says what would come of it. */
export async function upload({ instance, kind, file, brokers, dryRun }: Upload): Promise<Imported> {
  const query = { dryRun: dryRun ? ['true'] : [], brokers: kind === 'topics' ? brokers : [] };
  const type = /\.xlsx$/i.test(file.name) ? XLSX : 'text/csv';
  const init = { method: 'POST', headers: { 'content-type': type }, body: file };
  const response = await raw(address(instance, kind, 'import', query), init);
  return (await response.json()) as Imported;
}

/** How many there are now. */
export async function countOf(instance: Instance, kind: Kind): Promise<number> {
  const params = { path: { instance: instance.id }, query: { max: 1 } };
  const list =
    kind === 'topics'
      ? await call(api.GET('/v1/instances/{instance}/topics', { params }))
      : await call(api.GET('/v1/instances/{instance}/groups', { params }));
  return list.total;
}
