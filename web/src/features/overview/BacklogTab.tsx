import { Link } from 'react-router';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePaging } from '@/components/paging';
import { en } from './en';
import { useBacklogs } from './queries';
import type { Backlog } from './ranking';
import { SurveyNote } from './SurveyNote';
import { zh } from './zh';

/** All of them on one page. */
const ROWS = 50;

/** 「全局堆积」: the topics with the largest backlog. */
export function BacklogTab() {
  const t = useMessages({ zh, en });
  const { path } = useInstance();
  const query = useBacklogs();
  const paging = usePaging('backlog-', ROWS);
  const columns: Columns<Backlog> = [
    {
      key: 'topic',
      title: t('topic'),
      // Retries and dead letters have no page.
      render: (_, { topic }) => (topic.startsWith('%') ? topic : <Link to={path('topics', topic)}>{topic}</Link>),
    },
    { key: 'lag', title: t('backlog'), dataIndex: 'lag' },
    { key: 'inFlight', title: t('inFlight'), dataIndex: 'inFlight' },
    { key: 'groups', title: t('groups'), dataIndex: 'groups' },
    { key: 'worst', title: t('worst'), render: (_, { worst }) => t('worst.lag', worst) },
    { key: 'oldest', title: t('oldest'), render: (_, { oldestAgeMs }) => oldestAgeMs ?? '-' },
  ];
  return (
    <>
      <SurveyNote of="groups" survey={query.data} at={query.dataUpdatedAt} text={t('backlog.note')} />
      <GuideTable
        name={t('tab.backlog')}
        columns={columns}
        rowKey={({ topic }) => topic}
        query={query}
        rows={query.data?.rows ?? []}
        paging={paging}
      />
    </>
  );
}
