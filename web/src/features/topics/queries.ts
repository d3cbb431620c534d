/** What the pages of topics ask the service. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { api, call, managed } from '@/api/client';
import type { Instance, Schemas } from '@/api/shared';
import { useInstance } from '@/components/instance';
import type { Paging } from '@/components/paging';

export type TopicRow = Schemas['TopicRow'];
export type MessageRow = Schemas['MessageRow'];

/** The service's bound of a page. */
const ROWS_MAX = 1000;

/** Everything of topics of an instance; what is changed makes all of it stale. */
export const topicsKey = (instance: Instance) => ['instance', instance.id, 'topics'] as const;

export type Management = ReturnType<typeof useInstance>['management'];

export interface Filter {
  /** Empty is all. */
  broker: string;
  /** Part of a name; empty is all. */
  topic: string;
}

const cut = ({ page, size }: Pick<Paging, 'page' | 'size'>) => ({ pageNumber: page, pageSize: size });
const some = <Name extends string>(name: Name, value: string) =>
  (value === '' ? {} : { [name]: value }) as Partial<Record<Name, string>>;

/** T5: a row for each topic and broker. */
export const topicRows = (management: Management, { broker, topic }: Filter, paging: Paging) =>
  managed(
    api.GET('/api/manager/topics/{clusterName}/basedatas', {
      params: {
        path: { clusterName: management.clusterName },
        query: { ...management, ...cut(paging), ...some('topicName', topic), ...some('brokerName', broker) },
      },
    }),
  );

const ofTopic = (management: Management, topicName: string) => ({
  path: { clusterName: management.clusterName, topicName },
  query: management,
});

/** T6 */
export const topicStats = (management: Management, topic: string) =>
  managed(api.GET('/api/manager/topics/{clusterName}/{topicName}/stats', { params: ofTopic(management, topic) }));

/** T7 */
export const groupQueues = (management: Management, topic: string, group: string) => {
  const { path, query } = ofTopic(management, topic);
  return managed(
    api.GET('/api/manager/topics/{clusterName}/{topicName}/queues', {
      params: { path, query: { ...query, ...some('groupName', group) } },
    }),
  );
};

/** T8 */
export const topicDepth = (management: Management, topic: string, paging: Pick<Paging, 'page' | 'size'>) => {
  const { path, query } = ofTopic(management, topic);
  return managed(
    api.GET('/api/manager/topics/{clusterName}/{topicName}/depth', {
      params: { path, query: { ...query, ...cut(paging) } },
    }),
  );
};

/** T9 and T10: names of groups that are online. */
export const onlineGroups = (management: Management, topic: string, kind: ClientKind, paging: Paging) => {
  const { path, query } = ofTopic(management, topic);
  const params = { path, query: { ...query, ...cut(paging) } };
  return managed(
    kind === 'consumer'
      ? api.GET('/api/manager/topics/{clusterName}/{topicName}/consumers', { params })
      : api.GET('/api/manager/topics/{clusterName}/{topicName}/producers', { params }),
  );
};

export type ClientKind = 'consumer' | 'producer';

const ofGroup = (management: Management, groupName: string, topicName: string, paging: Paging) => ({
  path: { clusterName: management.clusterName, groupName },
  query: { ...management, topicName, ...cut(paging) },
});

/** G8 */
export const consumersOf = (management: Management, group: string, topic: string, paging: Paging) =>
  managed(
    api.GET('/api/manager/subscriptions/{clusterName}/{groupName}/instances', {
      params: ofGroup(management, group, topic, paging),
    }),
  );

/** P1 */
export const producersOf = (management: Management, group: string, topic: string, paging: Paging) =>
  managed(
    api.GET('/api/manager/producers/{clusterName}/{groupName}/instances', {
      params: ofGroup(management, group, topic, paging),
    }),
  );

/** T11; all brokers for `*`, what is sent alone without a group. */
export const topicTps = (management: Management, topic: string, broker: string, group: string) => {
  const { path, query } = ofTopic(management, topic);
  return managed(
    api.GET('/api/manager/topics/{clusterName}/{topicName}/tps', {
      params: { path, query: { ...query, brokerName: broker, groupName: group } },
    }),
  );
};

export interface Place {
  topic: string;
  broker: string;
  queue: number;
  offset: number;
  /** Empty: what no group did with it. */
  group: string;
}

/** M2 */
export const messageAt = (management: Management, { topic, broker, queue, offset, group }: Place) =>
  managed(
    api.GET('/api/manager/messages/offset', {
      params: {
        query: {
          ...management,
          topicName: topic,
          brokerName: broker,
          queueId: queue,
          queueOffset: offset,
          ...some('groupName', group),
        },
      },
    }),
  );

/** One topic with all its attributes. */
export const topicQuery = (instance: Instance, topic: string) =>
  queryOptions({
    queryKey: [...topicsKey(instance), 'one', topic],
    queryFn: () =>
      call(api.GET('/v1/instances/{instance}/topics/{topic}', { params: { path: { instance: instance.id, topic } } })),
  });

/** Groups that have a progress on a topic, by name. */
export function useGroupsOfTopic(topic: string) {
  const { instance, management } = useInstance();
  return useQuery({
    queryKey: [...topicsKey(instance), 'groups', topic],
    queryFn: async () => {
      const { rows } = await topicDepth(management, topic, { page: 1, size: ROWS_MAX });
      return [...new Set(rows.map(({ groupName }) => groupName))];
    },
    staleTime: 30_000,
  });
}

/** The guide's numbers of the permissions of the native API. */
export const PERMISSIONS = { readWrite: 6, read: 4, write: 2 } as const;
