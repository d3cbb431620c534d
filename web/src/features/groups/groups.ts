/** Groups as the guide lists them: a row for each group and broker. */
import { api, managed } from '@/api/client';
import type { Schemas } from '@/api/shared';

export type GroupRow = Schemas['GroupRow'];
/** Topics that a group may consume, each with its limit; none is all topics without a limit. */
export type Permissions = Record<string, { tps: number }>;

const PAGE_ROWS = 1000;
const PAGES_MAX = 20;

/** All rows, up to 20,000: the service pages them, and the page's filters look at all. */
export async function groupRows(management: { tenantId: string; clusterName: string }): Promise<GroupRow[]> {
  const rows: GroupRow[] = [];
  for (let pageNumber = 1; pageNumber <= PAGES_MAX; pageNumber++) {
    const query = { tenantId: management.tenantId, pageNumber, pageSize: PAGE_ROWS };
    const params = { path: { clusterName: management.clusterName }, query };
    const page = await managed(api.GET('/api/manager/subscriptions/{clusterName}/basedatas', { params }));
    rows.push(...page.rows);
    if (page.rows.length === 0 || rows.length >= page.total) {
      break;
    }
  }
  return rows;
}

export interface Filter {
  /** Empty is all. */
  broker: string;
  /** A part of the name. */
  group: string;
}

export function matching(rows: readonly GroupRow[], { broker, group }: Filter): GroupRow[] {
  const part = group.trim().toLowerCase();
  return rows.filter(
    (row) => (broker === '' || row.brokerName === broker) && row.groupName.toLowerCase().includes(part),
  );
}

/** A blank is in no name. */
export function rowKey({ groupName, brokerName }: GroupRow): string {
  return `${groupName} ${brokerName}`;
}

/** What an export has: the ticked rows, else all of the chosen broker. */
export function wantedOf(ticked: readonly GroupRow[], { broker }: Filter): { names: string[]; brokers: string[] } {
  return {
    names: ticked.map(({ groupName, brokerName }) => `${groupName}@${brokerName}`),
    brokers: ticked.length > 0 || broker === '' ? [] : [broker],
  };
}

export function permissionsOf({ subscribeMap }: GroupRow): Permissions {
  return Object.fromEntries(Object.entries(subscribeMap).map(([topic, { tps }]) => [topic, { tps }]));
}

/** Whether a limit can be sent; 0 is none. */
export function isTps(value: number | null | undefined): value is number {
  return value != null && Number.isSafeInteger(value) && value >= 0;
}

const REMARK_BYTES_MAX = 512;

export function isRemark(text: string | undefined): boolean {
  return new TextEncoder().encode(text ?? '').length <= REMARK_BYTES_MAX;
}

/** A topic of a group: allowed to it, consumed by it, or both. */
export interface TopicOfGroup {
  topic: string;
  /** 0 is no limit; `null` where the group's limits say nothing of the topic. */
  tps: number | null;
  lag: number | null;
  inFlight: number | null;
}

export function topicRows(group: GroupRow, consumed: readonly Schemas['TopicLagJson'][]): TopicOfGroup[] {
  const limits = permissionsOf(group);
  const unlimited = Object.keys(limits).length === 0 ? 0 : null;
  const rows = new Map<string, TopicOfGroup>();
  for (const { topic, lag, inFlight } of consumed) {
    rows.set(topic, { topic, tps: limits[topic]?.tps ?? unlimited, lag, inFlight });
  }
  for (const [topic, { tps }] of Object.entries(limits)) {
    if (!rows.has(topic)) {
      rows.set(topic, { topic, tps, lag: null, inFlight: null });
    }
  }
  return [...rows.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}
