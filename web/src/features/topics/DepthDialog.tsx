import { Button } from 'antd';
import { useState } from 'react';
import { usePoll } from '@/api/poll';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useLocalPaging } from '@/components/paging';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { OffsetDialog } from './OffsetDialog';
import { topicDepth, topicsKey } from './queries';
import { zh } from './zh';

type Row = Awaited<ReturnType<typeof topicDepth>>['rows'][number];

/** 「堆积量」: a row for each group and broker. */
export function DepthDialog({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = useLocalPaging();
  const { page, size } = paging;
  const [asked, setAsked] = useState<Row | null>(null);
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'depth', topic, page, size],
    queryFn: () => topicDepth(management, topic, { page, size }),
    keep: true,
  });
  const columns: Columns<Row> = [
    { key: 'topic', title: t('depth.topic'), dataIndex: 'topicName' },
    { key: 'broker', title: t('depth.broker'), dataIndex: 'brokerName' },
    { key: 'group', title: t('depth.group'), dataIndex: 'groupName' },
    { key: 'consumed', title: t('depth.consumed'), dataIndex: 'consumedTotal' },
    { key: 'left', title: t('depth.left'), dataIndex: 'diff' },
    { key: 'day', title: t('depth.day'), dataIndex: 'outTotalMsgToday' },
    { key: 'inFlight', title: t('depth.inFlight'), dataIndex: 'notAckMsgNum' },
    {
      key: 'actions',
      title: t('actions'),
      render: (_, row) => (
        <Button type="link" size="small" style={{ padding: 0 }} onClick={() => setAsked(row)}>
          {t('offset.open')}
        </Button>
      ),
    },
  ];
  return (
    <>
      <ViewDialog title={t('depth.title', { name: topic })} width={1040} onClose={onClose}>
        <GuideTable
          name={t('depth')}
          columns={columns}
          rowKey={({ groupName, brokerName }) => `${groupName} ${brokerName}`}
          query={query}
          rows={query.data?.rows ?? []}
          total={query.data?.total ?? 0}
          paging={paging}
        />
      </ViewDialog>
      {asked !== null && (
        <OffsetDialog
          start={{ topic, broker: asked.brokerName, group: asked.groupName }}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}
