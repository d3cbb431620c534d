import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useLocalPaging } from '@/components/paging';
import { en } from './en';
import { zh } from './zh';

interface Row {
  brokerName: string;
  queueId: number;
  consumerOffset: number;
  rollbackOffset: number;
}

interface Props {
  topic: string;
  rows: readonly Row[];
  isFetching: boolean;
}

/** Offsets before and after a reset. */
export function ResetRows({ topic, rows, isFetching }: Props) {
  const t = useMessages({ zh, en });
  const paging = useLocalPaging();
  const columns: Columns<Row> = [
    { key: 'topic', title: t('reset.name'), render: () => topic },
    { key: 'broker', title: t('reset.broker'), dataIndex: 'brokerName' },
    { key: 'queue', title: t('reset.queue'), dataIndex: 'queueId' },
    { key: 'before', title: t('reset.before'), dataIndex: 'consumerOffset' },
    { key: 'after', title: t('reset.after'), dataIndex: 'rollbackOffset' },
    { key: 'diff', title: t('reset.diff'), render: (_, row) => row.consumerOffset - row.rollbackOffset },
  ];
  return (
    <GuideTable
      name={t('reset.title')}
      columns={columns}
      rowKey={({ brokerName, queueId }) => `${brokerName} ${queueId}`}
      query={{ data: rows, error: null, isPending: false, isFetching, refetch: () => undefined }}
      rows={rows}
      paging={paging}
    />
  );
}
