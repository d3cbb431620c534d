import { Tabs } from 'antd';
import { useSearchParams } from 'react-router';
import type { Schemas } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { Page } from '@/components/Page';
import { usePaging } from '@/components/paging';
import { BacklogTab } from './BacklogTab';
import { en } from './en';
import { useBase } from './queries';
import { StoredTab } from './StoredTab';
import { TpsTab } from './TpsTab';
import { zh } from './zh';

/** 「概览」 (SEED_SPEC 6.2). */
export function Component() {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  return (
    <Page title={t('title')}>
      <BaseTable />
      <Tabs
        // What is not looked at asks for nothing.
        destroyOnHidden
        activeKey={params.get('tab') ?? 'tps'}
        onChange={(tab) => setParams({ tab }, { replace: true })}
        items={[
          { key: 'tps', label: t('tab.tps'), children: <TpsTab /> },
          { key: 'backlog', label: t('tab.backlog'), children: <BacklogTab /> },
          { key: 'stored', label: t('tab.stored'), children: <StoredTab /> },
        ]}
      />
    </Page>
  );
}

type Base = Schemas['Base'];

/** C1 has one row, with its fields in its order. */
function BaseTable() {
  const t = useMessages({ zh, en });
  const query = useBase();
  const paging = usePaging('base-');
  const columns: Columns<Base> = [
    { key: 'brokers', title: t('base.brokers'), dataIndex: 'mainBrokerNums' },
    { key: 'replicas', title: t('base.replicas'), dataIndex: 'slaveBrokerNums' },
    { key: 'producers', title: t('base.producers'), dataIndex: 'produceGroupNums' },
    { key: 'consumers', title: t('base.consumers'), dataIndex: 'consumeGroupNums' },
    { key: 'history', title: t('base.history'), dataIndex: 'msgHistoryNums' },
    { key: 'now', title: t('base.now'), dataIndex: 'msgNowNums' },
    { key: 'cluster', title: t('base.cluster'), dataIndex: 'clusterName' },
    { key: 'address', title: t('base.address'), render: (_, { namesrvAddr }) => namesrvAddr || '-' },
    { key: 'remark', title: t('base.remark'), render: (_, { remark }) => remark || '-' },
  ];
  return (
    <GuideTable
      name={t('base')}
      columns={columns}
      rowKey={({ clusterName }) => clusterName}
      query={query}
      rows={query.data ?? []}
      paging={paging}
    />
  );
}
