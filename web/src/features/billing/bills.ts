import { api, call, raw } from '@/api/client';
import type { Schemas } from '@/api/shared';
import { saveFile } from '@/components/download';

export type Bill = Schemas['BillJson'];
export type BillLine = Schemas['BillLineJson'];

const at = (tenant: number, month: string) => ({ params: { path: { tenant: String(tenant), month } } });

export async function monthsOf(tenant: number): Promise<string[]> {
  const params = { path: { tenant: String(tenant) } };
  const list = await call(api.GET('/v1/tenants/{tenant}/bills', { params }));
  return list.items.map(({ month }) => month);
}

export async function billOf(tenant: number, month: string): Promise<Bill> {
  // Text is answered to those who ask for CSV or a page.
  return (await call(api.GET('/v1/tenants/{tenant}/bills/{month}', at(tenant, month)))) as Bill;
}

export function verify(tenant: number, month: string) {
  return call(api.POST('/v1/tenants/{tenant}/bills/{month}/verify', { ...at(tenant, month), body: {} }));
}

const TYPES = { json: 'application/json', csv: 'text/csv' } as const;

/** The bill as the service writes it. */
export async function downloadBill(tenant: number, month: string, form: keyof typeof TYPES): Promise<void> {
  const path = `/v1/tenants/${tenant}/bills/${encodeURIComponent(month)}`;
  const response = await raw(path, { headers: { accept: TYPES[form] } });
  saveFile(await response.blob(), `bill-${tenant}-${month}.${form}`);
}

const ITEMS = [
  'instanceMonth',
  'unitsIn',
  'unitsOut',
  'bytesIn',
  'bytesOut',
  'apiCalls',
  'storedGibHoursHot',
  'storedGibHoursCold',
] as const;
type Item = (typeof ITEMS)[number];

/** Whether the catalogue has a word for it. */
export function isItem(name: string): name is Item {
  return (ITEMS as readonly string[]).includes(name);
}

export function lineKey({ instance, item, plan, priceList, priceVersion, isCorrection, unitMicros, per }: BillLine): string {
  return [instance, item, plan, priceList, priceVersion, isCorrection, unitMicros, per].join('/');
}
