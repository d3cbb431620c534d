import { Alert } from 'antd';
import { connectionKey, connectionsOf, languageText, type Client, type Connection } from '@/api/online';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { usePaging } from '@/components/paging';
import type { QueryLike } from '@/components/QueryState';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { zh } from './zh';

interface Props {
  of: Connection;
  /** The page's: whoever comes or goes while this is open is seen. */
  query: QueryLike<Client[]>;
  /** Whether all members of the group want the same. */
  isConsistent: boolean;
  onClose: () => void;
}

/** 「消费者查询」: the members of a group on a topic; what each wants is below its row. */
export function InstancesDialog({ of, query, isConsistent, onClose }: Props) {
  const t = useMessages({ zh, en });
  const paging = usePaging('instances-');
  const now = connectionsOf(query.data ?? []).find((one) => connectionKey(one) === connectionKey(of));
  const columns: Columns<Client> = [
    { key: 'group', title: t('group'), render: () => of.group },
    { key: 'ip', title: t('ip'), dataIndex: 'clientAddr' },
    { key: 'language', title: t('language'), render: (_, { language }) => languageText(language) },
    { key: 'version', title: t('version'), render: (_, { version }) => version || '-' },
    { key: 'instance', title: t('instance'), dataIndex: 'instanceName' },
    { key: 'consumeType', title: t('consumeType'), render: (_, { consumeType }) => consumeType ?? '-' },
    { key: 'messageModel', title: t('messageModel'), render: (_, { messageModel }) => messageModel ?? '-' },
    { key: 'from', title: t('from'), render: (_, { consumeFromWhere }) => consumeFromWhere ?? '-' },
  ];
  return (
    <ViewDialog title={t('instances.title')} width={1180} onClose={onClose}>
      {!isConsistent && <Alert type="warning" showIcon title={t('inconsistent.text')} style={{ marginBottom: 12 }} />}
      <GuideTable
        name={t('instances.title')}
        columns={columns}
        rowKey={({ instanceName }) => instanceName}
        query={query}
        rows={now?.clients ?? []}
        paging={paging}
        expandable={{
          expandedRowRender: ({ subscriptions }) => (
            <>
              {t('wants')}:{' '}
              {(subscriptions ?? []).map(({ topic, expression }) => `${topic} (${expression})`).join(', ') || '-'}
            </>
          ),
        }}
      />
    </ViewDialog>
  );
}
