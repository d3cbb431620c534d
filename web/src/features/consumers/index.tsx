import { useQuery } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { useState } from 'react';
import { clientsPoll, connectionKey, connectionsOf, inconsistentGroups, isOnBroker, type Connection } from '@/api/online';
import { usePoll } from '@/api/poll';
import { topicsQuery } from '@/api/shared';
import { BrokerField, FilterBar, InstanceField, TextField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { Status } from '@/components/Status';
import { DepthDialog } from './DepthDialog';
import { en } from './en';
import { InstancesDialog } from './InstancesDialog';
import { zh } from './zh';

const ALL = { broker: '', group: '' };

interface Shown {
  dialog: 'depth' | 'instances';
  connection: Connection;
}

interface Context {
  /** Whose members want different things. */
  inconsistent: ReadonlySet<string>;
  show: (shown: Shown) => void;
}

function columnsOf(t: Translate<typeof zh>, { inconsistent, show }: Context): Columns<Connection> {
  return [
    {
      key: 'group',
      title: t('group'),
      render: (_, { group }) => (
        <Space>
          {group}
          {inconsistent.has(group) && (
            <span title={t('inconsistent.text')}>
              <Status is="bad">{t('inconsistent')}</Status>
            </span>
          )}
        </Space>
      ),
    },
    { key: 'topic', title: t('topic'), dataIndex: 'topic' },
    { key: 'count', title: t('count'), render: (_, { clients }) => clients.length },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, connection) => (
        <Space>
          <Button type="link" size="small" onClick={() => show({ dialog: 'depth', connection })}>
            {t('depth')}
          </Button>
          <Button type="link" size="small" onClick={() => show({ dialog: 'instances', connection })}>
            {t('instances')}
          </Button>
        </Space>
      ),
    },
  ];
}

/** 「消费组查询」 (SEED_SPEC 6.8): groups with members online, by topic. */
export function Component() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const [filter, setFilter] = useState(ALL);
  const [shown, setShown] = useState<Shown | null>(null);
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const query = usePoll(clientsPoll(instance, 'consumer'));
  const clients = query.data ?? [];
  const rows = connectionsOf(clients).filter(
    ({ group, topic }) => group.includes(filter.group.trim()) && isOnBroker(topics, topic, filter.broker),
  );
  const search = (values: typeof ALL) => {
    setFilter(values);
    void query.refetch();
  };
  const inconsistent = inconsistentGroups(clients);
  const close = () => setShown(null);
  return (
    <Page title={t('title')}>
      <FilterBar initial={ALL} onSearch={search}>
        <InstanceField page="consumers" />
        <BrokerField label={t('filter.broker')} />
        <TextField name="group" label={t('filter.group')} />
      </FilterBar>
      <GuideTable
        name={t('title')}
        columns={columnsOf(t, { inconsistent, show: setShown })}
        rowKey={connectionKey}
        query={query}
        rows={rows}
      />
      {shown?.dialog === 'depth' && <DepthDialog of={shown.connection} onClose={close} />}
      {shown?.dialog === 'instances' && (
        <InstancesDialog
          of={shown.connection}
          query={query}
          isConsistent={!inconsistent.has(shown.connection.group)}
          onClose={close}
        />
      )}
    </Page>
  );
}
