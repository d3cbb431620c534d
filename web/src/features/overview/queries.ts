import { useQuery, type QueryClient } from '@tanstack/react-query';
import { api, call, managed } from '@/api/client';
import { pollDelay, usePoll } from '@/api/poll';
import { ApiFailure } from '@/api/failure';
import { groupsQuery, topicsQuery } from '@/api/shared';
import { useInstance } from '@/components/instance';
import { largestBacklogs, mostStored } from './ranking';
import { survey } from './survey';

/** Steps of the curve are of two minutes, and a survey is many calls. */
const MINUTE_MS = 60_000;

/** C1 */
export function useBase() {
  const { instance, management: query } = useInstance();
  return usePoll({
    queryKey: ['instance', instance.id, 'base'],
    queryFn: async () => (await managed(api.GET('/api/manager/cluster/base', { params: { query } }))).data,
  });
}

/** C3 */
export function useTps() {
  const { instance, management: query } = useInstance();
  const params = { path: { clusterName: query.clusterName }, query };
  return usePoll({
    queryKey: ['instance', instance.id, 'tps'],
    queryFn: async () => (await managed(api.GET('/api/manager/cluster/{clusterName}/tps', { params }))).rows,
    every: MINUTE_MS,
  });
}

/** Kept for a minute, and asked again after one while it is looked at. */
function useSurvey<T>(name: string, run: (client: QueryClient) => Promise<T>) {
  const { instance } = useInstance();
  return useQuery({
    queryKey: ['instance', instance.id, 'overview', name],
    queryFn: ({ client }) => run(client),
    staleTime: MINUTE_MS,
    refetchInterval: ({ state }) =>
      pollDelay(MINUTE_MS, state.fetchFailureCount, state.error instanceof ApiFailure ? state.error : null),
    retry: false,
  });
}

/** One call for each group, which tells all of its topics. */
export function useBacklogs() {
  const { instance } = useInstance();
  return useSurvey('backlogs', async (client) => {
    const groups = await client.query(groupsQuery(instance));
    const { found, ...rest } = await survey(
      groups.map(({ name }) => name),
      (group) =>
        call(api.GET('/v1/instances/{instance}/groups/{group}/lag', { params: { path: { instance: instance.id, group } } })),
    );
    return { rows: largestBacklogs(found), ...rest };
  });
}

/** T6 of each topic. */
export function useStored() {
  const { instance, management: query } = useInstance();
  return useSurvey('stored', async (client) => {
    const topics = await client.query(topicsQuery(instance));
    const { found, ...rest } = await survey(
      topics.map(({ name }) => name),
      async (topicName) => {
        const params = { path: { clusterName: query.clusterName, topicName }, query };
        return (await managed(api.GET('/api/manager/topics/{clusterName}/{topicName}/stats', { params }))).data;
      },
    );
    return { rows: mostStored(found), ...rest };
  });
}
