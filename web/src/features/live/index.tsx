import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Form, Input, Select, Space, Table, Typography, type TableColumnsType } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useSearchParams } from 'react-router';
import { topicsQuery } from '@/api/shared';
import { Failure } from '@/components/Failure';
import { FilterBar, InstanceField } from '@/components/FilterBar';
import { useMessages } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { excerptOf } from '@/components/message/body';
import { Page } from '@/components/Page';
import { NoData } from '@/components/QueryState';
import { Status } from '@/components/Status';
import { useTablePlace } from '@/components/tables';
import { en } from './en';
import { SHOWN_MAX, useTail, type Message, type Wanted } from './useTail';
import { zh } from './zh';

const MessageDialog = lazy(() => import('@/components/message/MessageDialog'));

/** Rows that are drawn at once. */
const PAGE = 50;

function Fields() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  return (
    <>
      <InstanceField page="live" />
      <Form.Item name="topic" label={t('topic')} rules={[{ required: true, message: t('topic.missing') }]}>
        <Select
          showSearch={{ optionFilterProp: 'label' }}
          className="filter-field"
          options={topics.map(({ name }) => ({ value: name, label: name }))}
        />
      </Form.Item>
      <Form.Item name="filterType" label={t('kind')}>
        <Select
          className="filter-field"
          options={(['TAG', 'SQL92'] as const).map((value) => ({ value, label: t(`kind.${value}`) }))}
        />
      </Form.Item>
      <Form.Item name="filter" label={t('filter')}>
        <Input className="filter-field" allowClear placeholder={t('filter.hint')} />
      </Form.Item>
    </>
  );
}

/** The messages of one topic as they come. */
function LiveTable({ wanted }: { wanted: Wanted }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const { second } = useTimes();
  const [isPaused, setPaused] = useState(false);
  const [opened, setOpened] = useState<Message | null>(null);
  const place = useTablePlace();
  const { messages, hasGap, failure, hasLooked, clear } = useTail(instance.id, wanted, isPaused);
  const columns: TableColumnsType<Message> = [
    { key: 'stored', title: t('stored'), render: (_, { storeTimestamp }) => second(storeTimestamp) },
    { key: 'id', title: 'MsgID', dataIndex: 'messageId' },
    { key: 'tag', title: t('tag'), render: (_, { tag }) => tag ?? '-' },
    { key: 'keys', title: t('keys'), render: (_, { keys }) => (keys.length === 0 ? '-' : keys.join(' ')) },
    { key: 'group', title: t('group'), render: (_, { messageGroup }) => messageGroup ?? '-' },
    { key: 'broker', title: 'Broker', dataIndex: 'broker' },
    { key: 'queue', title: t('queue'), dataIndex: 'queueId' },
    { key: 'offset', title: t('offset'), dataIndex: 'queueOffset' },
    { key: 'body', title: t('body'), render: (_, message) => <span className="excerpt">{excerptOf(message)}</span> },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, message) => (
        <Button type="link" size="small" onClick={() => setOpened(message)}>
          {t('view')}
        </Button>
      ),
    },
  ];
  const state = isPaused ? 'paused' : failure === null ? 'running' : 'failing';
  return (
    <section ref={place} className="guide-table" aria-label={t('title')}>
      <Space wrap>
        <Status is={({ paused: 'plain', running: 'good', failing: 'bad' } as const)[state]}>{t(state)}</Status>
        <Typography.Text>{t('shown', { count: messages.length })}</Typography.Text>
        <Button onClick={() => setPaused(!isPaused)}>{t(isPaused ? 'resume' : 'pause')}</Button>
        <Button disabled={messages.length === 0} onClick={clear}>
          {t('clear')}
        </Button>
      </Space>
      {failure !== null && <Failure error={failure} />}
      {hasGap && <Alert type="warning" title={t('gap')} />}
      <Table<Message>
        size="small"
        bordered
        columns={columns}
        dataSource={messages}
        rowKey={({ offsetMessageId }) => offsetMessageId}
        loading={!hasLooked && !isPaused}
        pagination={{ pageSize: PAGE, showSizeChanger: false, hideOnSinglePage: true }}
        scroll={{ x: 'max-content' }}
        locale={{ emptyText: hasLooked ? <NoData /> : <span /> }}
      />
      <Suspense>{opened !== null && <MessageDialog message={opened} onClose={() => setOpened(null)} />}</Suspense>
    </section>
  );
}

/** 「实时消息」: a look at a topic that no consumer notices. */
export function Component() {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  const wanted: Wanted = {
    topic: params.get('topic') ?? '',
    filterType: params.get('filterType') === 'SQL92' ? 'SQL92' : 'TAG',
    filter: params.get('filter') ?? '',
  };
  const { topic, filterType, filter } = wanted;
  const key = `${topic} ${filterType} ${filter}`;
  return (
    <Page title={t('title')}>
      <Typography.Paragraph>{t('note', { max: SHOWN_MAX })}</Typography.Paragraph>
      <FilterBar<Wanted>
        key={key}
        initial={{ ...wanted, topic: topic === '' ? undefined : topic } as Wanted}
        onSearch={(values) => setParams({ ...values, filter: values.filter.trim() })}
      >
        <Fields />
      </FilterBar>
      {topic === '' ? <Typography.Paragraph>{t('choose')}</Typography.Paragraph> : <LiveTable key={key} wanted={wanted} />}
    </Page>
  );
}
