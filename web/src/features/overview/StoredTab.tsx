import { Link } from 'react-router';
import type { Schemas } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePaging } from '@/components/paging';
import { en } from './en';
import { useStored } from './queries';
import { SurveyNote } from './SurveyNote';
import { zh } from './zh';

/** 「全局消息」: topics by the messages that are stored of them. */
export function StoredTab() {
  const t = useMessages({ zh, en });
  const { path } = useInstance();
  const query = useStored();
  const paging = usePaging('stored-');
  const columns: Columns<Schemas['TopicStats']> = [
    {
      key: 'topic',
      title: t('topic'),
      render: (_, { topicName }) => <Link to={path('topics', topicName)}>{topicName}</Link>,
    },
    { key: 'stored', title: t('stored'), dataIndex: 'msgNowNums' },
    { key: 'history', title: t('history'), dataIndex: 'msgHistoryNums' },
    { key: 'day', title: t('day'), dataIndex: 'msg24hNums' },
  ];
  return (
    <>
      <SurveyNote of="topics" survey={query.data} at={query.dataUpdatedAt} />
      <GuideTable
        name={t('tab.stored')}
        columns={columns}
        rowKey={({ topicName }) => topicName}
        query={query}
        rows={query.data?.rows ?? []}
        paging={paging}
      />
    </>
  );
}
