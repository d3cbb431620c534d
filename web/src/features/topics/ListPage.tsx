import { useQueryClient } from '@tanstack/react-query';
import { Button, Grid } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import { usePoll } from '@/api/poll';
import { BrokerField, FilterBar, InstanceField, TextField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { pageCount, usePaging } from '@/components/paging';
import { usePerson } from '@/components/session';
import { TopicBatchActions } from './batch';
import { en } from './en';
import { topicRows, topicsKey, type Filter, type TopicRow } from './queries';
import { RowActions, type RowDialog } from './RowActions';
import { orderText, permissionText } from './words';
import { zh } from './zh';

const TopicDialog = lazy(() => import('./TopicDialog'));
const RowDialogs = lazy(() => import('./RowDialogs'));

function columnsOf(t: Translate<typeof zh>, actions: (row: TopicRow) => React.ReactNode, isWide: boolean): Columns<TopicRow> {
  return [
    { key: 'topic', title: t('topic'), dataIndex: 'topicName' },
    { key: 'broker', title: t('brokerName'), dataIndex: 'brokerName' },
    { key: 'read', title: t('readQueues'), dataIndex: 'readQueueNums' },
    { key: 'write', title: t('writeQueues'), dataIndex: 'writeQueueNums' },
    { key: 'permission', title: t('permission'), render: (_, { perm }) => permissionText(perm, t) },
    { key: 'order', title: t('order'), render: (_, { order }) => orderText(order, t) },
    {
      key: 'actions',
      title: t('actions'),
      // On a narrow screen they would cover everything else.
      ...(isWide ? { fixed: 'end' as const } : {}),
      render: (_, row) => actions(row),
    },
  ];
}

const keyOf = ({ topicName, brokerName }: TopicRow) => `${topicName}@${brokerName}`;
const nameOf = (key: string) => key.slice(0, key.lastIndexOf('@'));

/** 「主题管理」 (SEED_SPEC 6.5): a row for each topic and broker. */
export function ListPage() {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance, management } = useInstance();
  const queries = useQueryClient();
  const { lg: isWide = true } = Grid.useBreakpoint();
  const [params, setParams] = useSearchParams();
  const filter: Filter = { broker: params.get('broker') ?? '', topic: params.get('topic') ?? '' };
  const paging = usePaging();
  const [keys, setKeys] = useState<string[]>([]);
  const [isCreating, setCreating] = useState(false);
  const [dialog, setDialog] = useState<RowDialog | null>(null);
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'rows', filter, paging.page, paging.size],
    queryFn: () => topicRows(management, filter, paging),
    keep: true,
  });
  const { total = 0, rows = [] } = query.data ?? {};

  // The last row of the last page may go.
  const last = pageCount(total, paging.size);
  const isBeyond = query.data !== undefined && !query.isPlaceholderData && paging.page > last;
  useEffect(() => {
    if (isBeyond) {
      paging.go(last);
    }
  });

  const search = ({ broker, topic }: Filter) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        const found = { broker, topic: topic.trim() };
        for (const [name, value] of Object.entries(found)) {
          if (value === '') {
            next.delete(name);
          } else {
            next.set(name, value);
          }
        }
        next.delete('page');
        return next;
      },
      { replace: true },
    );
  const refresh = () => queries.invalidateQueries({ queryKey: topicsKey(instance) });
  const removed = (topic: string) => {
    setKeys((before) => before.filter((key) => nameOf(key) !== topic));
    return refresh();
  };
  return (
    <Page title={t('title')}>
      <FilterBar
        initial={filter}
        onSearch={search}
        actions={
          <>
            {may.manage && <Button onClick={() => setCreating(true)}>{t('create')}</Button>}
            <TopicBatchActions
              instance={instance}
              brokers={filter.broker === '' ? [] : [filter.broker]}
              selected={[...new Set(keys.map(nameOf))]}
              onDone={() => void refresh()}
            />
          </>
        }
      >
        <InstanceField page="topics" />
        <BrokerField />
        <TextField name="topic" label={t('filter.topic')} />
      </FilterBar>
      <GuideTable
        name={t('title')}
        columns={columnsOf(t, (row) => <RowActions row={row} open={setDialog} removed={removed} />, isWide)}
        rowKey={keyOf}
        query={query}
        rows={rows}
        total={total}
        paging={paging}
        selection={{ keys, change: setKeys }}
      />
      <Suspense>
        {isCreating && <TopicDialog onClose={() => setCreating(false)} />}
        {dialog !== null && <RowDialogs dialog={dialog} onClose={() => setDialog(null)} />}
      </Suspense>
    </Page>
  );
}
