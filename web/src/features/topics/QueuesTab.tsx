import { Button, Form, Select } from 'antd';
import { useState } from 'react';
import { usePoll } from '@/api/poll';
import type { Schemas } from '@/api/shared';
import { Failure } from '@/components/Failure';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePaging } from '@/components/paging';
import { en } from './en';
import { OffsetDialog } from './OffsetDialog';
import { groupQueues, topicsKey, useGroupsOfTopic } from './queries';
import { zh } from './zh';

type Row = Schemas['QueueStat'];

/** 「队列信息」: the queues of a topic with a group's progress. */
export function QueuesTab({ topic }: { topic: string }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = usePaging('queues-');
  const groups = useGroupsOfTopic(topic);
  const [chosen, choose] = useState<string | null>(null);
  const [asked, setAsked] = useState<Row | null>(null);
  // Without a name the service answers for all groups, or for a topic that nobody has consumed.
  const group = chosen ?? groups.data?.[0] ?? '';
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'queues', topic, group],
    queryFn: async () => (await groupQueues(management, topic, group)).rows[0] ?? null,
    enabled: !groups.isPending,
  });
  const shown = query.data?.consumerGroup ?? group;
  const names = [...new Set([...(groups.data ?? []), ...(shown === '' ? [] : [shown])])];
  const columns: Columns<Row> = [
    { key: 'group', title: t('queues.group'), render: () => shown },
    { key: 'broker', title: t('queues.broker'), dataIndex: 'brokerName' },
    { key: 'queue', title: t('queues.queue'), dataIndex: 'queueId' },
    { key: 'produced', title: t('queues.produced'), dataIndex: 'brokerOffset' },
    { key: 'consumed', title: t('queues.consumed'), dataIndex: 'consumerOffset' },
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
      {groups.error !== null && <Failure error={groups.error} onRetry={() => void groups.refetch()} />}
      <Form layout="inline" className="filter-bar">
        <Form.Item label={t('queues.group')} htmlFor="queues-group">
          <Select
            id="queues-group"
            className="filter-field"
            showSearch
            value={shown === '' ? null : shown}
            loading={groups.isPending}
            options={names.map((name) => ({ value: name, label: name }))}
            onChange={choose}
          />
        </Form.Item>
      </Form>
      <GuideTable
        name={t('queues.tab')}
        columns={columns}
        rowKey={({ brokerName, queueId }) => `${brokerName} ${queueId}`}
        query={query}
        rows={query.data?.queueStatInfoList ?? []}
        paging={paging}
      />
      {asked !== null && (
        <OffsetDialog
          start={{
            topic,
            group: shown,
            broker: asked.brokerName,
            queue: asked.queueId,
            offset: Math.max(0, Math.min(asked.consumerOffset, asked.brokerOffset - 1)),
          }}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}
