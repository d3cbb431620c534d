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
  onClose: () => void;
}

/** 「生产者管理」: the members of a producer group on a topic. */
export function InstancesDialog({ of, query, onClose }: Props) {
  const t = useMessages({ zh, en });
  const paging = usePaging('instances-');
  const now = connectionsOf(query.data ?? []).find((one) => connectionKey(one) === connectionKey(of));
  const columns: Columns<Client> = [
    { key: 'group', title: t('group'), render: () => of.group },
    { key: 'ip', title: t('ip'), dataIndex: 'clientAddr' },
    { key: 'instance', title: t('instance'), dataIndex: 'instanceName' },
    { key: 'language', title: t('language'), render: (_, { language }) => languageText(language) },
    { key: 'version', title: t('version'), render: (_, { version }) => version || '-' },
  ];
  return (
    <ViewDialog title={t('instances.title')} width={900} onClose={onClose}>
      <GuideTable
        name={t('instances.title')}
        columns={columns}
        rowKey={({ instanceName }) => instanceName}
        query={query}
        rows={now?.clients ?? []}
        paging={paging}
      />
    </ViewDialog>
  );
}
