import { useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { api, call } from '@/api/client';
import { groupsQuery, type Schemas } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { usePaging } from '@/components/paging';
import type { QueryLike } from '@/components/QueryState';
import { usePerson } from '@/components/session';
import { Status } from '@/components/Status';
import { en } from './en';
import { stateOf, type Group, type ParkedRow, type QueueRow } from './queries';
import { zh } from './zh';

interface Props {
  query: QueryLike<QueueRow[]>;
  parked: readonly ParkedRow[];
  onView: (message: Schemas['MessageJson']) => void;
}

const COLOURS = { parked: 'bad', CONSUMING: 'waiting' } as const;

/** Queues that are not at their end, and what is first in each. */
export function QueueTable({ query, parked, onView }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance } = useInstance();
  const { second } = useTimes();
  const confirm = useConfirm();
  const queries = useQueryClient();
  const paging = usePaging('queues-');
  const park = ({ name }: Group) => {
    const run = async () => {
      const params = { path: { instance: instance.id, group: name } };
      await call(api.PATCH('/v1/instances/{instance}/groups/{group}', { params, body: { onPoison: 'park' } }));
      // What is shown of the queues follows the groups.
      await queries.invalidateQueries({ queryKey: groupsQuery(instance).queryKey });
    };
    confirm({ text: t('park.text', { group: name }), run, done: t('park.done') });
  };
  const columns: Columns<QueueRow> = [
    { key: 'group', title: t('group'), render: (_, { group }) => group.name },
    { key: 'topic', title: t('topic'), dataIndex: 'topic' },
    {
      key: 'state',
      title: t('state'),
      render: (_, row) => {
        const state = stateOf(row, parked);
        const is = state in COLOURS ? COLOURS[state as keyof typeof COLOURS] : 'plain';
        return <Status is={is}>{t(`state.${state as 'parked' | 'CONSUMING' | 'TO_CONSUME' | 'CONSUMED' | 'unknown'}`)}</Status>;
      },
    },
    { key: 'broker', title: 'Broker', dataIndex: 'broker' },
    { key: 'queue', title: t('queue'), dataIndex: 'queueId' },
    { key: 'lag', title: t('lag'), dataIndex: 'lag' },
    { key: 'inFlight', title: t('inFlight'), dataIndex: 'inFlight' },
    { key: 'first', title: t('first'), render: (_, { first }) => first?.messageId ?? '-' },
    { key: 'messageGroup', title: t('messageGroup'), render: (_, { first }) => first?.messageGroup ?? '-' },
    { key: 'age', title: t('age'), render: (_, { first }) => second(first?.storeTimestamp) },
    { key: 'poison', title: t('poison'), render: (_, { group }) => t(`poison.${group.onPoison}`) },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, { first, group }) => (
        <Space size={0}>
          <Button type="link" size="small" disabled={first === null} onClick={() => first !== null && onView(first)}>
            {t('view')}
          </Button>
          {may.manage && group.onPoison === 'block' && (
            <Button type="link" size="small" onClick={() => park(group)}>
              {t('park')}
            </Button>
          )}
        </Space>
      ),
    },
  ];
  return (
    <GuideTable
      name={t('blocked')}
      columns={columns}
      rowKey={({ group, topic, broker, queueId }) => `${group.name} ${topic} ${broker} ${queueId}`}
      query={query}
      rows={query.data ?? []}
      paging={paging}
    />
  );
}
