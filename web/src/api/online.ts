/** Who is online: the clients of an instance, and which groups they make up on which topics. */
import { api, call, everyItem } from './client';
import type { Instance, Schemas } from './shared';

export type Client = Schemas['SessionJson'];
export type Kind = 'consumer' | 'producer';

/** Producers have no groups here: all of them are shown as the one that the guide knows. */
export const PRODUCERS = 'CLIENT_INNER_PRODUCER';
/** What RocketMQ calls a client whose language it does not know. */
const OTHER_LANGUAGE = 'OTHER';

/** A poll of the clients of one kind, all topics and groups. */
export const clientsPoll = (instance: Instance, kind: Kind) => ({
  queryKey: ['instance', instance.id, 'clients', kind],
  queryFn: () =>
    everyItem((query) =>
      call(
        api.GET('/v1/instances/{instance}/sessions', {
          params: { path: { instance: instance.id }, query: { ...query, kind } },
        }),
      ),
    ),
});

/** A group on a topic, with its clients that use it now. */
export interface Connection {
  group: string;
  topic: string;
  clients: Client[];
}

/** One row for each group and topic, ordered by both. */
export function connectionsOf(clients: readonly Client[]): Connection[] {
  const found = new Map<string, Connection>();
  for (const client of clients) {
    const group = client.group ?? PRODUCERS;
    for (const topic of client.topics) {
      const key = connectionKey({ group, topic });
      const known = found.get(key);
      if (known === undefined) {
        found.set(key, { group, topic, clients: [client] });
      } else {
        known.clients.push(client);
      }
    }
  }
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...found.values()].sort((a, b) => order(a.group, b.group) || order(a.topic, b.topic));
}

export function connectionKey({ group, topic }: Pick<Connection, 'group' | 'topic'>): string {
  return JSON.stringify([group, topic]);
}

/** Groups whose members do not all want the same topics and tags; the service loses no message for it. */
export function inconsistentGroups(clients: readonly Client[]): Set<string> {
  const wants = new Map<string, string>();
  const found = new Set<string>();
  for (const { group, subscriptions } of clients) {
    if (group == null) {
      continue;
    }
    const own = (subscriptions ?? []).map(({ topic, expression }) => JSON.stringify([topic, expression])).sort();
    const wanted = JSON.stringify(own);
    if ((wants.get(group) ?? wanted) !== wanted) {
      found.add(group);
    }
    wants.set(group, wanted);
  }
  return found;
}

/** `JAVA`, `PYTHON`, …; `OTHER` when the client does not say. */
export function languageText(language: string): string {
  return language === '' ? OTHER_LANGUAGE : language.toUpperCase();
}

/** Retries and dead letters, which no list of topics has, are on every broker. */
export function isOnBroker(topics: readonly Schemas['TopicJson'][], topic: string, broker: string): boolean {
  const known = topics.find(({ name }) => name === topic);
  return broker === '' || known === undefined || known.brokers.includes(broker);
}
