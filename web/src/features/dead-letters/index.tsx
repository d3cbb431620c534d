import { useQuery } from '@tanstack/react-query';
import { Button, DatePicker, Form, Input, Select, Typography } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { lazy, Suspense, useState } from 'react';
import { useSearchParams } from 'react-router';
import { api, call, managed } from '@/api/client';
import { usePages } from '@/api/pages';
import { usePoll } from '@/api/poll';
import { groupsQuery, type Schemas } from '@/api/shared';
import { useConfirm } from '@/components/Confirm';
import { FilterBar, InstanceField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { LoadMore } from '@/components/LoadMore';
import { excerptOf } from '@/components/message/body';
import { Page } from '@/components/Page';
import { usePerson } from '@/components/session';
import { msOfText, secondText } from '@/components/time';
import { en } from './en';
import { zh } from './zh';

const MessageDialog = lazy(() => import('@/components/message/MessageDialog'));
const RedriveDialog = lazy(() => import('./RedriveDialog'));

type Letter = Schemas['MessageJson'];
const FORM = 'YYYY-MM-DD HH:mm:ss';
const PAGE = 100;

interface Filters {
  group: string;
  origin: string;
  tags: string;
  from: number | null;
}

/** The filters are in the page's address, so that it can be passed on. */
function useFilters(): [Filters, (next: Filters) => void] {
  const [params, setParams] = useSearchParams();
  const from = Number(params.get('from') ?? '');
  const filters = {
    group: params.get('group') ?? '',
    origin: params.get('origin') ?? '',
    tags: params.get('tags') ?? '',
    from: from > 0 ? from : null,
  };
  const change = (next: Filters) => {
    const all = Object.entries(next).map(([name, value]): [string, string] => [name, String(value ?? '')]);
    setParams(all.filter(([, value]) => value !== ''));
  };
  return [filters, change];
}

/** Dead letters of a group, oldest first on each broker, as far as pages are loaded. */
function useLetters({ group, tags, from }: Filters) {
  const { instance, management } = useInstance();
  const topic = `%DLQ%${group}`;
  const enabled = group !== '';
  const key = ['instance', instance.id, 'dead-letters', group];
  const filter = tags === '' ? {} : { filter: tags };
  const { query: letters, more } = usePages({
    queryKey: [...key, tags, from],
    enabled,
    page: async (cursor) => {
      const query = { from: from === null ? 'earliest' : String(from), max: PAGE, ...filter, ...cursor };
      const params = { path: { instance: instance.id, topic }, query };
      const got = await call(api.GET('/v1/instances/{instance}/topics/{topic}/peek', { params }));
      return { items: got.messages, cursor: got.cursor ?? null };
    },
  });
  const count = usePoll({
    queryKey: [...key, 'count'],
    enabled,
    queryFn: async () => {
      const { clusterName, tenantId } = management;
      const params = { path: { clusterName, topicName: topic }, query: { tenantId } };
      const { data } = await managed(api.GET('/api/manager/topics/{clusterName}/{topicName}/stats', { params }));
      return data.msgNowNums;
    },
  });
  return { letters, more, count, again: () => Promise.all([letters.refetch(), count.refetch()]) };
}

function columnsOf(t: Translate<typeof zh>, second: (ms: number) => string, open: (letter: Letter) => void): Columns<Letter> {
  return [
    { key: 'id', title: 'MsgID', dataIndex: 'messageId' },
    { key: 'origin', title: t('origin'), render: (_, { origin }) => origin?.topic ?? '-' },
    { key: 'tag', title: t('tag'), render: (_, { tag }) => tag ?? '-' },
    { key: 'keys', title: t('keys'), render: (_, { keys }) => (keys.length === 0 ? '-' : keys.join(' ')) },
    { key: 'body', title: t('body'), render: (_, letter) => <span className="excerpt">{excerptOf(letter)}</span> },
    { key: 'since', title: t('since'), render: (_, { storeTimestamp }) => second(storeTimestamp) },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, letter) => (
        <Button type="link" size="small" onClick={() => open(letter)}>
          {t('view')}
        </Button>
      ),
    },
  ];
}

function Fields({ origins }: { origins: readonly string[] }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const groups = useQuery(groupsQuery(instance)).data ?? [];
  return (
    <>
      <InstanceField page="dead-letters" />
      <Form.Item name="group" label={t('group')} rules={[{ required: true, message: t('group.missing') }]}>
        <Select
          showSearch={{ optionFilterProp: 'label' }}
          className="filter-field"
          options={groups.map(({ name }) => ({ value: name, label: name }))}
        />
      </Form.Item>
      <Form.Item name="origin" label={t('origin')}>
        <Select
          className="filter-field"
          options={[{ value: '', label: t('all') }, ...origins.map((value) => ({ value, label: value }))]}
        />
      </Form.Item>
      <Form.Item name="tags" label={t('tags')}>
        <Input className="filter-field" allowClear placeholder={t('tags.hint')} />
      </Form.Item>
      <Form.Item name="from" label={t('from')}>
        <DatePicker showTime format={FORM} />
      </Form.Item>
    </>
  );
}

/** The dead letters of one group: looked at, sent back, removed. */
export function Component() {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance } = useInstance();
  const { second } = useTimes();
  const confirm = useConfirm();
  const [filters, setFilters] = useFilters();
  const [ticked, setTicked] = useState<string[]>([]);
  const [opened, setOpened] = useState<Letter | null>(null);
  const [redriven, setRedriven] = useState<'ticked' | 'all' | null>(null);
  const { letters, more, count, again } = useLetters(filters);
  const { group, origin, tags, from } = filters;
  const loaded = letters.data?.items ?? [];
  const rows = origin === '' ? loaded : loaded.filter((letter) => letter.origin?.topic === origin);
  const origins = [...new Set([origin, ...loaded.map((letter) => letter.origin?.topic ?? '')])].filter((name) => name !== '').sort();
  const search = (values: Omit<Filters, 'from'> & { from: Dayjs | null }) => {
    setTicked([]);
    const start = values.from === null ? null : msOfText(values.from.format(FORM), instance.timeZone);
    setFilters({ ...values, from: start });
    if (start === from && values.group === group && values.tags === tags) {
      void again();
    }
  };
  const purge = async () => {
    const params = { path: { instance: instance.id, topic: `%DLQ%${group}` } };
    const { purged } = await call(api.POST('/v1/instances/{instance}/topics/{topic}/purge', { params, body: {} }));
    setTicked([]);
    await again();
    return t('purge.done', { count: purged });
  };
  const ids = loaded.filter(({ offsetMessageId }) => ticked.includes(offsetMessageId)).map(({ messageId }) => messageId);
  const writes = may.manage && group !== '' && (
    <>
      <Button disabled={ids.length === 0} onClick={() => setRedriven('ticked')}>
        {t('redrive.selected', { count: ids.length })}
      </Button>
      <Button onClick={() => setRedriven('all')}>{t('redrive.everything')}</Button>
      <Button danger onClick={() => confirm({ text: t('purge.text', { group }), typeName: group, run: purge })}>
        {t('purge')}
      </Button>
    </>
  );
  const what = redriven === 'ticked' ? { messageIds: ids } : origin === '' ? {} : { topic: origin };
  return (
    <Page title={t('title')}>
      <FilterBar
        key={`${group} ${origin} ${tags} ${from ?? ''}`}
        initial={{ group: group === '' ? undefined : group, origin, tags, from: from === null ? null : dayjs(secondText(from, instance.timeZone)) } as never}
        onSearch={search}
        actions={writes}
      >
        <Fields origins={origins} />
      </FilterBar>
      {group === '' ? (
        <Typography.Paragraph>{t('choose')}</Typography.Paragraph>
      ) : (
        <>
          {count.data !== undefined && <Typography.Paragraph role="status">{t('count', { count: count.data })}</Typography.Paragraph>}
          <GuideTable
            name={t('title')}
            columns={columnsOf(t, second, setOpened)}
            rowKey={({ offsetMessageId }) => offsetMessageId}
            query={{ ...letters, refetch: again }}
            rows={rows}
            {...(may.manage ? { selection: { keys: ticked, change: setTicked } } : {})}
          />
          <LoadMore
            loaded={loaded.length}
            hasMore={letters.data?.hasMore === true}
            isFetching={letters.isFetching}
            onMore={more}
          />
        </>
      )}
      <Suspense>
        {opened !== null && <MessageDialog message={opened} onClose={() => setOpened(null)} />}
        {redriven !== null && (
          <RedriveDialog group={group} {...what} onDone={() => void again()} onClose={() => setRedriven(null)} />
        )}
      </Suspense>
    </Page>
  );
}
