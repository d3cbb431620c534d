import { Button, Space } from 'antd';
import type { Schemas } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { usePaging } from '@/components/paging';
import type { QueryLike } from '@/components/QueryState';
import { usePerson } from '@/components/session';
import { en } from './en';
import { lasted } from './lasted';
import type { ParkedRow } from './queries';
import { zh } from './zh';

interface Props {
  query: QueryLike<ParkedRow[]> & { dataUpdatedAt: number };
  onView: (message: Schemas['MessageJson']) => void;
  onRelease: (row: ParkedRow, how: Schemas['ReleaseWord']) => void;
}

/** Messages that wait for a decision. */
export function ParkedTable({ query, onView, onRelease }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { second } = useTimes();
  const paging = usePaging('parked-');
  const columns: Columns<ParkedRow> = [
    { key: 'group', title: t('group'), render: (_, { group }) => group.name },
    { key: 'topic', title: t('topic'), render: (_, { message }) => message.topic },
    { key: 'messageGroup', title: t('messageGroup'), render: (_, { message }) => message.messageGroup ?? '-' },
    { key: 'reason', title: t('reason'), render: (_, { group }) => t('reason.exhausted', { max: group.maxRetries }) },
    { key: 'since', title: t('since'), render: (_, { parkedAt }) => second(parkedAt) },
    {
      key: 'lasted',
      title: t('lasted'),
      render: (_, { parkedAt }) => {
        const { unit, count } = lasted(query.dataUpdatedAt - parkedAt);
        return t(unit, { count });
      },
    },
    { key: 'id', title: 'MsgID', render: (_, { message }) => message.messageId },
    { key: 'broker', title: 'Broker', render: (_, { message }) => message.broker },
    { key: 'queue', title: t('queue'), render: (_, { message }) => message.queueId },
    { key: 'offset', title: t('offset'), render: (_, { message }) => message.queueOffset },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, row) => (
        <Space size={0}>
          <Button type="link" size="small" onClick={() => onView(row.message)}>
            {t('view')}
          </Button>
          {may.manage &&
            (['retry', 'skip', 'deadLetter'] as const).map((how) => (
              <Button key={how} type="link" size="small" danger={how === 'skip'} onClick={() => onRelease(row, how)}>
                {t(how)}
              </Button>
            ))}
        </Space>
      ),
    },
  ];
  return (
    <GuideTable
      name={t('parked')}
      columns={columns}
      rowKey={({ group, message }) => `${group.name} ${message.offsetMessageId}`}
      query={query}
      rows={query.data ?? []}
      paging={paging}
    />
  );
}
