import { api, managed } from '@/api/client';
import type { Connection } from '@/api/online';
import { usePoll } from '@/api/poll';
import type { Schemas } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePaging } from '@/components/paging';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { zh } from './zh';

type Row = Schemas['Envelope_Rows_DepthRow_Vec_String']['result']['rows'][number];

/** What cannot be known is said so, and never 0. */
const known = (value: number | null | undefined) => value ?? '-';

function columnsOf(t: Translate<typeof zh>): Columns<Row> {
  return [
    { key: 'group', title: t('depth.group'), dataIndex: 'groupName' },
    { key: 'topic', title: t('depth.topic'), dataIndex: 'topicName' },
    { key: 'total', title: t('total'), render: (_, { total }) => known(total) },
    { key: 'consumed', title: t('consumed'), render: (_, { consumedTotal }) => known(consumedTotal) },
    { key: 'today', title: t('today'), render: (_, { outTotalMsgToday }) => known(outTotalMsgToday) },
    { key: 'left', title: t('left'), render: (_, { diff }) => known(diff) },
    { key: 'tps', title: t('tps'), render: (_, { outTps }) => outTps.toFixed(3) },
    { key: 'ackAge', title: t('ackAge'), render: (_, { notAckMsgTime }) => known(notAckMsgTime) },
    { key: 'age', title: t('age'), render: (_, { notConsumeMsgTime }) => known(notConsumeMsgTime) },
    { key: 'retries', title: t('retries'), render: (_, { retryNums }) => known(retryNums) },
    { key: 'inFlight', title: t('inFlight'), render: (_, { notAckMsgNum }) => known(notAckMsgNum) },
  ];
}

/** 「堆积量」 of a group on a topic, and of its retries (G7). */
export function DepthDialog({ of: { group, topic }, onClose }: { of: Connection; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = usePaging('depth-');
  const query = usePoll({
    queryKey: ['instance', instance.id, 'depth', group, topic],
    queryFn: async () => {
      const path = { clusterName: management.clusterName, groupName: group };
      const params = { path, query: { ...management, topicName: topic } };
      return (await managed(api.GET('/api/manager/subscriptions/{clusterName}/{groupName}/depth', { params }))).rows;
    },
  });
  return (
    <ViewDialog title={t('depth.title')} width={1180} onClose={onClose}>
      <GuideTable
        name={t('depth.title')}
        columns={columnsOf(t)}
        rowKey={({ topicName }) => topicName}
        query={query}
        rows={query.data ?? []}
        paging={paging}
      />
    </ViewDialog>
  );
}
