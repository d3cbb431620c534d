import { api, managed } from '@/api/client';
import { usePoll } from '@/api/poll';
import { useInstance } from '@/components/instance';
import { brokersOf } from './runtime';

/** The brokers of the page's instance with what they do (C2), again and again. */
export function useBrokers() {
  const { instance, management } = useInstance();
  return usePoll({
    queryKey: ['instance', instance.id, 'brokers'],
    queryFn: async () => {
      const { data } = await managed(api.GET('/api/manager/cluster/detail', { params: { query: management } }));
      return brokersOf(data, management.clusterName);
    },
  });
}
