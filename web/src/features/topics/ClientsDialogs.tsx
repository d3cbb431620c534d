import { usePoll } from '@/api/poll';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useLocalPaging, type Paging } from '@/components/paging';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { consumersOf, producersOf, topicsKey, type Management } from './queries';
import { zh } from './zh';

interface Props {
  topic: string;
  group: string;
  onClose: () => void;
}

/** 「消费者查询」: members of a consumer group that take messages of the topic. */
export function ConsumersDialog(props: Props) {
  const t = useMessages({ zh, en });
  return (
    <ClientsDialog
      {...props}
      kind="consumers"
      title={t('clients.consumers')}
      width={1100}
      load={consumersOf}
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
    />
  );
}

/** 「生产者管理」: producers that are connected now. */
export function ProducersDialog(props: Props) {
  const t = useMessages({ zh, en });
  return (
    <ClientsDialog
      {...props}
      kind="producers"
      title={t('clients.producers')}
      width={960}
      load={producersOf}
      columns={[
        { key: 'group', title: t('clients.producerGroup'), dataIndex: 'groupName' },
        { key: 'address', title: t('clients.address'), dataIndex: 'clientAddr' },
        { key: 'name', title: t('clients.name'), dataIndex: 'instanceName' },
        { key: 'language', title: t('clients.language'), dataIndex: 'language' },
        { key: 'version', title: t('clients.libraryVersion'), dataIndex: 'version' },
      ]}
    />
  );
}

interface Client {
  instanceName: string;
  clientAddr: string;
}

interface Kind<Row> extends Props {
  kind: string;
  title: string;
  width: number;
  load: (management: Management, group: string, topic: string, paging: Paging) => Promise<{ rows: Row[]; total: number }>;
  columns: Columns<Row>;
}

function ClientsDialog<Row extends Client>({ topic, group, onClose, kind, title, width, load, columns }: Kind<Row>) {
  const { instance, management } = useInstance();
  const paging = useLocalPaging();
  const { page, size } = paging;
  const query = usePoll({
    queryKey: [...topicsKey(instance), kind, topic, group, page, size],
    queryFn: () => load(management, group, topic, paging),
    keep: true,
  });
  return (
    <ViewDialog title={title} width={width} onClose={onClose}>
      <GuideTable
        name={title}
        columns={columns}
        rowKey={({ instanceName, clientAddr }) => `${instanceName} ${clientAddr}`}
        query={query}
        rows={query.data?.rows ?? []}
        total={query.data?.total ?? 0}
        paging={paging}
      />
    </ViewDialog>
  );
}
