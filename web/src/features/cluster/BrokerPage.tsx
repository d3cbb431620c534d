import { useQuery } from '@tanstack/react-query';
import { Descriptions, Result, Tabs } from 'antd';
import { Link, useParams } from 'react-router';
import { clientsPoll, connectionKey, connectionsOf, isOnBroker, type Connection, type Kind } from '@/api/online';
import { usePoll } from '@/api/poll';
import { topicsQuery, type Schemas } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePaging } from '@/components/paging';
import { QueryState } from '@/components/QueryState';
import { en } from './en';
import { useBrokers } from './query';
import { dayTotals, percent, type Broker } from './runtime';
import { TpsTab } from './TpsTab';
import { zh } from './zh';

type T = Translate<typeof zh>;
type Topic = Schemas['TopicJson'];

/** 「broker详情」: what the broker has, does and is connected to. */
export default function BrokerPage() {
  const t = useMessages({ zh, en });
  const { path } = useInstance();
  const { broker: name = '' } = useParams();
  const query = useBrokers();
  return (
    <Page title={t('detail.title')} extra={<Link to={path('cluster')}>{t('detail.back')}</Link>}>
      <QueryState query={query}>
        {(brokers) => {
          const broker = brokers.find((one) => one.name === name);
          return broker === undefined ? (
            <Result status="404" title={t('detail.missing', { broker: name })} />
          ) : (
            <>
              <Head broker={broker} />
              <Tabs
                destroyOnHidden
                tabBarGutter={16}
                items={[
                  { key: 'topics', label: t('tab.topics'), children: <TopicsTab broker={name} /> },
                  { key: 'tps', label: t('tab.tps'), children: <TpsTab broker={name} /> },
                  { key: 'consumers', label: t('tab.consumers'), children: <GroupsTab broker={name} kind="consumer" /> },
                  { key: 'producers', label: t('tab.producers'), children: <GroupsTab broker={name} kind="producer" /> },
                ]}
              />
            </>
          );
        }}
      </QueryState>
    </Page>
  );
}

function Head({ broker: { name, runtime } }: { broker: Broker }) {
  const t = useMessages({ zh, en });
  const [put, get] = [dayTotals(runtime, 'Put'), dayTotals(runtime, 'Get')];
  const items = [
    [t('head.name'), name],
    [t('version'), runtime['brokerVersionDesc']],
    [t('address'), runtime['brokerAddress']],
    [t('head.topics'), runtime['topicNum']],
    [t('head.disk'), percent(runtime['commitLogDiskRatio'], 3)],
    [t('head.put.yesterday'), put.yesterday],
    [t('head.get.yesterday'), get.yesterday],
    [t('head.put.today'), put.today],
    [t('head.get.today'), get.today],
  ] as const;
  return (
    <Descriptions
      bordered
      size="small"
      column={{ xs: 1, md: 3 }}
      items={items.map(([label, children]) => ({ key: label, label, children }))}
    />
  );
}

function topicColumns(t: T): Columns<Topic> {
  return [
    { key: 'topic', title: t('topic'), dataIndex: 'name' },
    { key: 'reads', title: t('reads'), dataIndex: 'queues' },
    { key: 'writes', title: t('writes'), dataIndex: 'queues' },
    { key: 'permission', title: t('permission'), render: (_, { permission }) => t(`permission.${permission}`) },
    { key: 'ordered', title: t('ordered'), render: (_, { ordered }) => t(ordered ? 'ordered.true' : 'ordered.false') },
  ];
}

function TopicsTab({ broker }: { broker: string }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const paging = usePaging('topics-');
  const query = useQuery(topicsQuery(instance));
  const rows = (query.data ?? []).filter(({ brokers }) => brokers.includes(broker));
  return (
    <GuideTable
      name={t('tab.topics')}
      columns={topicColumns(t)}
      rowKey={({ name }) => name}
      query={query}
      rows={rows}
      paging={paging}
    />
  );
}

/** Groups that are connected now, with the topics of theirs that this broker has a part of. */
function GroupsTab({ broker, kind }: { broker: string; kind: Kind }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const paging = usePaging(`${kind}-`);
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const query = usePoll(clientsPoll(instance, kind));
  const rows = connectionsOf(query.data ?? []).filter(({ topic }) => isOnBroker(topics, topic, broker));
  const columns: Columns<Connection> = [
    { key: 'group', title: t(`${kind}Group`), dataIndex: 'group' },
    { key: 'topic', title: t('group.topic'), dataIndex: 'topic' },
  ];
  return (
    <GuideTable
      name={t(`tab.${kind}s`)}
      columns={columns}
      rowKey={connectionKey}
      query={query}
      rows={rows}
      paging={paging}
    />
  );
}
