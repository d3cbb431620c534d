import { Button } from 'antd';
import { useState } from 'react';
import { usePoll } from '@/api/poll';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePaging } from '@/components/paging';
import { ConsumersDialog, ProducersDialog } from './ClientsDialogs';
import { en } from './en';
import { onlineGroups, topicsKey, type ClientKind } from './queries';
import { zh } from './zh';

interface Row {
  group: string;
}

/** 「消费组」 and 「生产组」: groups that are connected now. */
export function OnlineTab({ topic, kind }: { topic: string; kind: ClientKind }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const paging = usePaging(`${kind}-`);
  const [shown, show] = useState<string | null>(null);
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'online', topic, kind, paging.page, paging.size],
    queryFn: () => onlineGroups(management, topic, kind, paging),
    keep: true,
  });
  const columns: Columns<Row> = [
    { key: 'group', title: t(`${kind}s.group`), dataIndex: 'group' },
    { key: 'topic', title: t('clients.topic'), render: () => topic },
    {
      key: 'clients',
      title: t('clients.show'),
      render: (_, { group }) => (
        <Button type="link" size="small" style={{ padding: 0 }} onClick={() => show(group)}>
          {t('clients.show')}
        </Button>
      ),
    },
  ];
  const Clients = kind === 'consumer' ? ConsumersDialog : ProducersDialog;
  return (
    <>
      <GuideTable
        name={t(`${kind}s.tab`)}
        columns={columns}
        rowKey={({ group }) => group}
        query={query}
        rows={(query.data?.rows ?? []).map((group) => ({ group }))}
        total={query.data?.total ?? 0}
        paging={paging}
      />
      {shown !== null && <Clients topic={topic} group={shown} onClose={() => show(null)} />}
    </>
  );
}
