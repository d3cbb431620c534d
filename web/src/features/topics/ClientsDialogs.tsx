import { usePoll } from '@/api/poll';
import { GuideTable } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useLocalPaging } from '@/components/paging';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { consumersOf, producersOf, topicsKey } from './queries';
import { zh } from './zh';

interface Props {
  topic: string;
  group: string;
  onClose: () => void;
}

/** 「消费者查询」: members of a consumer group that take messages of the topic. */
export function ConsumersDialog({ topic, group, onClose }: Props) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = useLocalPaging();
  const { page, size } = paging;
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'consumers', topic, group, page, size],
    queryFn: () => consumersOf(management, group, topic, paging),
    keep: true,
  });
  return (
    <ViewDialog title={t('clients.consumers')} width={1100} onClose={onClose}>
      <GuideTable
        name={t('clients.consumers')}
        columns={[
          { key: 'group', title: t('clients.consumerGroup'), dataIndex: 'groupName' },
          { key: 'address', title: t('clients.ip'), dataIndex: 'clientAddr' },
          { key: 'language', title: t('clients.kind'), dataIndex: 'language' },
          { key: 'version', title: t('clients.version'), dataIndex: 'version' },
          { key: 'name', title: t('clients.name'), dataIndex: 'instanceName' },
          { key: 'type', title: t('clients.consumeType'), dataIndex: 'consumeType' },
          { key: 'model', title: t('clients.model'), dataIndex: 'messageModel' },
          { key: 'start', title: t('clients.start'), dataIndex: 'consumeFromWhere' },
        ]}
        rowKey={({ instanceName, clientAddr }) => `${instanceName} ${clientAddr}`}
        query={query}
        rows={query.data?.rows ?? []}
        total={query.data?.total ?? 0}
        paging={paging}
      />
    </ViewDialog>
  );
}

/** 「生产者管理」: producers that are connected now. */
export function ProducersDialog({ topic, group, onClose }: Props) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = useLocalPaging();
  const { page, size } = paging;
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'producers', topic, group, page, size],
    queryFn: () => producersOf(management, group, topic, paging),
    keep: true,
  });
  return (
    <ViewDialog title={t('clients.producers')} width={960} onClose={onClose}>
      <GuideTable
        name={t('clients.producers')}
        columns={[
          { key: 'group', title: t('clients.producerGroup'), dataIndex: 'groupName' },
          { key: 'address', title: t('clients.address'), dataIndex: 'clientAddr' },
          { key: 'name', title: t('clients.name'), dataIndex: 'instanceName' },
          { key: 'language', title: t('clients.language'), dataIndex: 'language' },
          { key: 'version', title: t('clients.libraryVersion'), dataIndex: 'version' },
        ]}
        rowKey={({ instanceName, clientAddr }) => `${instanceName} ${clientAddr}`}
        query={query}
        rows={query.data?.rows ?? []}
        total={query.data?.total ?? 0}
        paging={paging}
      />
    </ViewDialog>
  );
}
