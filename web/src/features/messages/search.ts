/** What is looked for: kept in the page's address, so that it can be gone back to and handed on. */
import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';
import { api, managed } from '@/api/client';
import { useInstance } from '@/components/instance';
import type { Paging } from '@/components/paging';
import type { MessageRow } from './body';

export const TABS = ['key', 'id', 'offset'] as const;
export type Tab = (typeof TABS)[number];

const FIELDS = ['topic', 'key', 'id', 'queue', 'offset', 'group', 'broker'] as const;
export type Search = Partial<Record<(typeof FIELDS)[number], string>>;

export interface Found {
  rows: MessageRow[];
  total: number;
}

/** What must be there before the service is asked. */
const NEEDED: Record<Tab, readonly (keyof Search)[]> = {
  key: ['topic', 'key'],
  id: ['id'],
  offset: ['topic', 'broker', 'queue', 'offset'],
};

export function isComplete(tab: Tab, search: Search): boolean {
  return NEEDED[tab].every((field) => (search[field] ?? '') !== '');
}

/** Without blanks around, and without what is empty. */
export function tidy(values: Search): Search {
  return Object.fromEntries(
    FIELDS.map((field) => [field, values[field]?.trim() ?? '']).filter(([, value]) => value !== ''),
  ) as Search;
}

/** The tab and the search of the address, and how to go to others. */
export function useSearch(): { tab: Tab; search: Search; go: (tab: Tab, search: Search) => void } {
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((one) => one === params.get('tab')) ?? 'key';
  const search = tidy(Object.fromEntries(FIELDS.map((field) => [field, params.get(field) ?? ''])));
  const go = (next: Tab, values: Search) => {
    // The first page of what is found; how long pages are stays.
    const size = params.get('size');
    setParams({ tab: next, ...tidy(values), ...(size === null ? {} : { size }) });
  };
  return { tab, search, go };
}

/** Messages are asked for when somebody searches, and not again and again. */
export function useFound(tab: Tab, search: Search, paging: Paging) {
  const { instance, management } = useInstance();
  const { topic = '', key = '', id = '', queue = '', offset = '', group = '', broker = '' } = search;
  const shared = { ...management, ...(group === '' ? {} : { groupName: group }) };
  const find = async (): Promise<Found> => {
    switch (tab) {
      case 'key': {
        const query = { ...shared, topicName: topic, key, pageNumber: paging.page, pageSize: paging.size };
        return managed(api.GET('/api/manager/messages/key', { params: { query } }));
      }
      case 'id': {
        const params = { path: { msgId: id }, query: { ...shared, ...(topic === '' ? {} : { topicName: topic }) } };
        const { data } = await managed(api.GET('/api/manager/messages/{msgId}', { params }));
        return { rows: [data], total: 1 };
      }
      case 'offset': {
        const place = { brokerName: broker, queueId: Number(queue), queueOffset: Number(offset) };
        const query = { ...shared, topicName: topic, ...place };
        const { data } = await managed(api.GET('/api/manager/messages/offset', { params: { query } }));
        return { rows: [data], total: 1 };
      }
    }
  };
  return useQuery({
    queryKey: ['instance', instance.id, 'messages', tab, search, ...(tab === 'key' ? [paging.page, paging.size] : [])],
    queryFn: find,
    enabled: isComplete(tab, search),
    // What a group did with them changes.
    gcTime: 0,
  });
}
