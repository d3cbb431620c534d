import { Descriptions, Tabs } from 'antd';
import { Link, useParams, useSearchParams } from 'react-router';
import { usePoll } from '@/api/poll';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { en } from './en';
import { OnlineTab } from './OnlineTab';
import { topicsKey, topicStats } from './queries';
import { QueuesTab } from './QueuesTab';
import { zh } from './zh';

const TABS = ['queues', 'consumers', 'producers'] as const;

/** 「详细信息」 of a topic. */
export default function DetailPage() {
  const t = useMessages({ zh, en });
  const { topic = '' } = useParams();
  const { instance, management, path } = useInstance();
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((name) => name === params.get('tab')) ?? 'queues';
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'stats', topic],
    queryFn: () => topicStats(management, topic),
  });
  return (
    <Page title={t('detail.title')} extra={<Link to={path('topics')}>{t('detail.back')}</Link>}>
      <QueryState query={query}>
        {({ data }) => (
          <>
            <Descriptions
              bordered
              size="small"
              column={{ xs: 1, sm: 2, lg: 3, xl: 4 }}
              items={[
                { key: 'topic', label: t('detail.topic'), children: data.topicName },
                { key: 'instance', label: t('detail.instance'), children: data.clusterName },
                { key: 'history', label: t('detail.history'), children: data.msgHistoryNums },
                { key: 'now', label: t('detail.now'), children: data.msgNowNums },
                { key: 'day', label: t('detail.day'), children: data.msg24hNums },
                { key: 'masters', label: t('detail.masters'), children: data.mainBrokerNums },
                { key: 'slaves', label: t('detail.slaves'), children: data.slaveBrokerNums },
              ]}
            />
            <Tabs
              activeKey={tab}
              onChange={(next) => setParams({ tab: next }, { replace: true })}
              destroyOnHidden
              items={[
                { key: 'queues', label: t('queues.tab'), children: <QueuesTab topic={topic} /> },
                { key: 'consumers', label: t('consumers.tab'), children: <OnlineTab topic={topic} kind="consumer" /> },
                { key: 'producers', label: t('producers.tab'), children: <OnlineTab topic={topic} kind="producer" /> },
              ]}
            />
          </>
        )}
      </QueryState>
    </Page>
  );
}
