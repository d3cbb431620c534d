import { useQuery } from '@tanstack/react-query';
import { Form, Select, Space, Typography } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useSearchParams } from 'react-router';
import { api, call } from '@/api/client';
import { usePoll } from '@/api/poll';
import { groupsQuery, type Schemas } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { FilterBar, InstanceField } from '@/components/FilterBar';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { en } from './en';
import { ParkedTable } from './ParkedTable';
import { parkedOf, queuesOf, type Group, type ParkedRow } from './queries';
import { QueueTable } from './QueueTable';
import { zh } from './zh';

const MessageDialog = lazy(() => import('@/components/message/MessageDialog'));

const QUEUES_EVERY_MS = 20_000;

/** Both tables for groups that are known. */
function Tables({ groups }: { groups: readonly Group[] }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const confirm = useConfirm();
  const [opened, setOpened] = useState<Schemas['MessageJson'] | null>(null);
  const key = ['instance', instance.id, 'parked', groups.map(({ name, onPoison, maxRetries }) => [name, onPoison, maxRetries])];
  const parked = usePoll({ queryKey: key, queryFn: () => parkedOf(instance.id, groups) });
  const queues = usePoll({
    queryKey: [...key, 'queues'],
    queryFn: () => queuesOf(instance.id, groups),
    every: QUEUES_EVERY_MS,
  });
  const again = () => Promise.all([parked.refetch(), queues.refetch()]);
  const release = ({ group, message }: ParkedRow, how: Schemas['ReleaseWord']) => {
    const run = async () => {
      const { topic, broker, queueId } = message;
      const body = { topic, broker, queueId, queueOffset: message.queueOffset ?? 0, how };
      const params = { path: { instance: instance.id, group: group.name } };
      await call(api.POST('/v1/instances/{instance}/groups/{group}/parked/release', { params, body }));
      await again();
    };
    const text = t(`${how}.text`, { id: message.messageId, group: group.name });
    confirm({ text, run, done: t(`${how}.done`) });
  };
  return (
    <>
      <Typography.Title level={2}>
        {t('parked')}
      </Typography.Title>
      <Typography.Paragraph>{t('parked.note')}</Typography.Paragraph>
      <ParkedTable query={parked} onView={setOpened} onRelease={release} />
      <Typography.Title level={2}>
        {t('blocked')}
      </Typography.Title>
      <Typography.Paragraph>{t('blocked.note')}</Typography.Paragraph>
      <QueueTable query={queues} parked={parked.data ?? []} onView={setOpened} />
      <Suspense>{opened !== null && <MessageDialog message={opened} onClose={() => setOpened(null)} />}</Suspense>
    </>
  );
}

/** Message groups of ordered groups that stand still: why, since when, and how they go on. */
export function Component() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const [params, setParams] = useSearchParams();
  const group = params.get('group') ?? '';
  const query = useQuery(groupsQuery(instance));
  const ordered = (query.data ?? []).filter(({ ordered: is }) => is);
  const search = ({ group: wanted }: { group: string }) => {
    setParams(wanted === '' ? {} : { group: wanted });
    void query.refetch();
  };
  return (
    <Page title={t('title')}>
      <FilterBar key={group} initial={{ group }} onSearch={search}>
        <InstanceField page="parked" />
        <Form.Item name="group" label={t('group')}>
          <Select
            showSearch={{ optionFilterProp: 'label' }}
            className="filter-field"
            options={[
              { value: '', label: t('group.all') },
              ...ordered.map(({ name }) => ({ value: name, label: name })),
            ]}
          />
        </Form.Item>
      </FilterBar>
      <QueryState query={query}>
        {() => (
          <Space orientation="vertical" style={{ width: '100%', minWidth: 0 }}>
            <Tables groups={ordered.filter(({ name }) => group === '' || name === group)} />
          </Space>
        )}
      </QueryState>
    </Page>
  );
}
