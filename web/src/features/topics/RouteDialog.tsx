import { useQuery } from '@tanstack/react-query';
import { Tag } from 'antd';
import { api, managed } from '@/api/client';
import { GuideTable } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useLocalPaging } from '@/components/paging';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { PERMISSIONS, topicQuery } from './queries';
import { orderText, permissionText } from './words';
import { zh } from './zh';

const PART = { fontSize: 16, margin: '8px 0' };

/** 「Topic路由」: where a topic's queues are. */
export function RouteDialog({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const one = useQuery(topicQuery(instance, topic));
  const brokers = useQuery({
    queryKey: ['instance', instance.id, 'addresses'],
    queryFn: async () => {
      const { data } = await managed(api.GET('/api/manager/cluster/detail', { params: { query: management } }));
      return data.brokerInfoMap[instance.name]?.brokerMap ?? {};
    },
    staleTime: 60_000,
  });
  const paging = useLocalPaging();
  const places = useLocalPaging();
  const names = one.data?.brokers ?? [];
  const queues = names.map((name) => ({ name }));
  const addresses = names.flatMap((name) =>
    Object.entries(brokers.data?.[name] ?? {}).map(([id, runtime]) => ({ name, id, address: runtime['brokerAddress'] ?? '-' })),
  );
  // Addresses need both.
  const both = one.error == null ? brokers : one;
  return (
    <ViewDialog title={t('route.title', { name: topic })} width={960} onClose={onClose}>
      {one.data !== undefined && (
        <p>
          <Tag>{orderText(one.data.ordered, t)}</Tag>
        </p>
      )}
      <h2 style={PART}>{t('route.brokers')}</h2>
      <GuideTable
        name={t('route.brokers')}
        columns={[
          { key: 'broker', title: t('route.broker'), dataIndex: 'name' },
          { key: 'address', title: t('route.address'), render: (_, { id, address }) => `${id}:${address}` },
        ]}
        rowKey={({ name, id }) => `${name} ${id}`}
        query={both}
        rows={addresses}
        paging={paging}
      />
      <h2 style={PART}>{t('route.queues')}</h2>
      <GuideTable
        name={t('route.queues')}
        columns={[
          { key: 'broker', title: t('route.broker'), dataIndex: 'name' },
          { key: 'read', title: t('route.read'), render: () => one.data?.queues },
          { key: 'write', title: t('route.write'), render: () => one.data?.queues },
          {
            key: 'permission',
            title: t('route.permission'),
            render: () => one.data !== undefined && permissionText(PERMISSIONS[one.data.permission], t),
          },
        ]}
        rowKey={({ name }) => name}
        query={one}
        rows={queues}
        paging={places}
      />
    </ViewDialog>
  );
}
