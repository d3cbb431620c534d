import { useQuery } from '@tanstack/react-query';
import { Button, Form, Select, Space, Typography } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useSearchParams } from 'react-router';
import { api, call } from '@/api/client';
import { usePages } from '@/api/pages';
import { topicsQuery, type Schemas } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { FilterBar, InstanceField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { LoadMore } from '@/components/LoadMore';
import { Page } from '@/components/Page';
import { usePerson } from '@/components/session';
import { Status } from '@/components/Status';
import { en } from './en';
import { zh } from './zh';

const MessageDialog = lazy(() => import('@/components/message/MessageDialog'));

type Transaction = Schemas['TransactionJson'];
type State = 'open' | 'givenUp';
type T = Translate<typeof zh>;

const PAGE = 100;
const EVERY_MS = 10_000;

/** An id is long and its beginning is the same for all of a topic. */
const shortened = (id: string) => `…${id.slice(-12)}`;

interface Filters {
  topic: string;
  state: State | '';
}

function useFilters(): [Filters, (next: Filters) => void] {
  const [params, setParams] = useSearchParams();
  const state = params.get('state');
  const filters: Filters = {
    topic: params.get('topic') ?? '',
    state: state === 'open' || state === 'givenUp' ? state : '',
  };
  const change = ({ topic, state: wanted }: Filters) => setParams({ topic, ...(wanted === '' ? {} : { state: wanted }) });
  return [filters, change];
}

function useTransactions({ topic, state }: Filters) {
  const { instance } = useInstance();
  return usePages({
    queryKey: ['instance', instance.id, 'transactions', topic, state],
    enabled: topic !== '',
    every: EVERY_MS,
    page: (cursor) => {
      const query = { max: PAGE, ...(state === '' ? {} : { state }), ...cursor };
      const params = { path: { instance: instance.id, topic }, query };
      return call(api.GET('/v1/instances/{instance}/topics/{topic}/transactions', { params }));
    },
  });
}

function StateTag({ state, t }: { state: string; t: T }) {
  return state === 'open' ? <Status is="waiting">{t('state.open')}</Status> : <Status is="bad">{t('state.givenUp')}</Status>;
}

function Fields() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const fitting = topics.filter(({ type }) => type === 'transaction' || type === 'mixed');
  return (
    <>
      <InstanceField page="transactions" />
      <Form.Item name="topic" label={t('topic')} rules={[{ required: true, message: t('topic.missing') }]}>
        <Select
          showSearch={{ optionFilterProp: 'label' }}
          className="filter-field"
          notFoundContent={t('none')}
          options={fitting.map(({ name }) => ({ value: name, label: name }))}
        />
      </Form.Item>
      <Form.Item name="state" label={t('state')}>
        <Select
          className="filter-field"
          options={[
            { value: '', label: t('state.all') },
            { value: 'open', label: t('state.open') },
            { value: 'givenUp', label: t('state.givenUp') },
          ]}
        />
      </Form.Item>
    </>
  );
}

/** Half messages of a topic that nobody has decided yet, and deciding them. */
export function Component() {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance } = useInstance();
  const { second } = useTimes();
  const confirm = useConfirm();
  const [filters, setFilters] = useFilters();
  const [opened, setOpened] = useState<Transaction | null>(null);
  const { query, more } = useTransactions(filters);
  const { topic, state } = filters;
  const rows = query.data?.items ?? [];
  const decide = (transaction: Transaction, how: 'commit' | 'rollback') => {
    const path = { instance: instance.id, topic, transaction: transaction.transactionId };
    const options = { params: { path }, body: {} };
    const run = async () => {
      await call(
        how === 'commit'
          ? api.POST('/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/commit', options)
          : api.POST('/v1/instances/{instance}/topics/{topic}/transactions/{transaction}/rollback', options),
      );
      await query.refetch();
    };
    confirm({ text: t(`${how}.text`, { id: transaction.message.messageId }), run, done: t(`${how}.done`) });
  };
  const columns: Columns<Transaction> = [
    { key: 'message', title: 'MsgID', render: (_, { message }) => message.messageId },
    { key: 'id', title: t('id'), render: (_, { transactionId }) => <span title={transactionId}>{shortened(transactionId)}</span> },
    { key: 'producers', title: t('producers'), dataIndex: 'producerGroup' },
    { key: 'tag', title: t('tag'), render: (_, { message }) => message.tag ?? '-' },
    { key: 'keys', title: t('keys'), render: (_, { message }) => (message.keys.length === 0 ? '-' : message.keys.join(' ')) },
    { key: 'begun', title: t('begun'), render: (_, { begunAt }) => second(begunAt) },
    { key: 'checks', title: t('checks'), dataIndex: 'checkCount' },
    {
      key: 'next',
      title: t('next'),
      render: (_, { nextCheckAt }) => (nextCheckAt == null ? t('next.none') : second(nextCheckAt)),
    },
    { key: 'state', title: t('state'), render: (_, { state: is }) => <StateTag state={is} t={t} /> },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, transaction) => (
        <Space size={0}>
          <Button type="link" size="small" onClick={() => setOpened(transaction)}>
            {t('view')}
          </Button>
          {may.manage && (
            <>
              <Button type="link" size="small" onClick={() => decide(transaction, 'commit')}>
                {t('commit')}
              </Button>
              <Button type="link" size="small" danger onClick={() => decide(transaction, 'rollback')}>
                {t('rollback')}
              </Button>
            </>
          )}
        </Space>
      ),
    },
  ];
  const search = (values: Filters) => {
    setFilters(values);
    if (values.topic === topic && values.state === state) {
      void query.refetch();
    }
  };
  return (
    <Page title={t('title')}>
      <FilterBar key={`${topic} ${state}`} initial={{ topic: topic === '' ? undefined : topic, state } as Filters} onSearch={search}>
        <Fields />
      </FilterBar>
      {topic === '' ? (
        <Typography.Paragraph>{t('choose')}</Typography.Paragraph>
      ) : (
        <>
          <GuideTable name={t('title')} columns={columns} rowKey={({ transactionId }) => transactionId} query={query} rows={rows} />
          <LoadMore loaded={rows.length} hasMore={query.data?.hasMore === true} isFetching={query.isFetching} onMore={more} />
        </>
      )}
      <Suspense>
        {opened !== null && (
          <MessageDialog
            message={opened.message}
            more={[
              { key: 'transaction', label: t('id'), span: 'filled', children: opened.transactionId },
              { key: 'producers', label: t('producers'), children: opened.producerGroup },
              { key: 'state', label: t('state'), children: <StateTag state={opened.state} t={t} /> },
              { key: 'begun', label: t('begun'), children: second(opened.begunAt) },
              { key: 'checks', label: t('checks'), children: opened.checkCount },
            ]}
            onClose={() => setOpened(null)}
          />
        )}
      </Suspense>
    </Page>
  );
}
