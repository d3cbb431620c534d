import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';
import { clientsPoll, connectionKey, connectionsOf, isOnBroker, type Connection } from '@/api/online';
import { usePoll } from '@/api/poll';
import { topicsQuery } from '@/api/shared';
import { BrokerField, FilterBar, InstanceField, TextField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { en } from './en';
import { InstancesDialog } from './InstancesDialog';
import { zh } from './zh';

const ALL = { broker: '', group: '' };

function columnsOf(t: Translate<typeof zh>, show: (connection: Connection) => void): Columns<Connection> {
  return [
    { key: 'group', title: t('group'), dataIndex: 'group' },
    { key: 'topic', title: t('topic'), dataIndex: 'topic' },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, connection) => (
        <Button type="link" size="small" onClick={() => show(connection)}>
          {t('instances')}
        </Button>
      ),
    },
  ];
}

/** 「生产组查询」 (SEED_SPEC 6.7): producers that are online, by topic. */
export function Component() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const [filter, setFilter] = useState(ALL);
  const [shown, setShown] = useState<Connection | null>(null);
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const query = usePoll(clientsPoll(instance, 'producer'));
  const rows = connectionsOf(query.data ?? []);
  const wanted = rows.filter(
    ({ group, topic }) => group.includes(filter.group.trim()) && isOnBroker(topics, topic, filter.broker),
  );
  const search = (values: typeof ALL) => {
    setFilter(values);
    void query.refetch();
  };
  return (
    <Page title={t('title')}>
      <FilterBar initial={ALL} onSearch={search}>
        <InstanceField page="producers" />
        <BrokerField label={t('filter.broker')} />
        <TextField name="group" label={t('filter.group')} />
      </FilterBar>
      <GuideTable name={t('title')} columns={columnsOf(t, setShown)} rowKey={connectionKey} query={query} rows={wanted} />
      {shown !== null && <InstancesDialog of={shown} query={query} onClose={() => setShown(null)} />}
    </Page>
  );
}
