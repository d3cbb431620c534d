import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { Link, Route, Routes } from 'react-router';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { en } from './en';
import { useBrokers } from './query';
import { dayTotals, minuteTps, type Broker } from './runtime';
import { zh } from './zh';

const BrokerPage = lazy(() => import('./BrokerPage'));
const InfoDialog = lazy(() => import('./InfoDialog'));

type T = Translate<typeof zh>;

export function roleText(id: string, t: T): string {
  return t(id === '0' ? 'role.master' : 'role.slave', { id });
}

/** What tells the copies of brokers apart. */
const keyOf = ({ name, id }: Broker) => `${name}:${id}`;

function columnsOf(t: T, detail: (broker: Broker) => string, inform: (broker: Broker) => void): Columns<Broker> {
  return [
    { key: 'broker', title: t('broker'), dataIndex: 'name' },
    { key: 'role', title: t('role'), render: (_, { id }) => roleText(id, t) },
    { key: 'address', title: t('address'), render: (_, { runtime }) => runtime['brokerAddress'] },
    { key: 'version', title: t('version'), render: (_, { runtime }) => runtime['brokerVersionDesc'] },
    { key: 'putTps', title: t('putTps'), render: (_, { runtime }) => minuteTps(runtime, 'putTps') },
    { key: 'getTps', title: t('getTps'), render: (_, { runtime }) => minuteTps(runtime, 'getTransferredTps') },
    { key: 'put.yesterday', title: t('put.yesterday'), render: (_, { runtime }) => dayTotals(runtime, 'Put').yesterday },
    { key: 'get.yesterday', title: t('get.yesterday'), render: (_, { runtime }) => dayTotals(runtime, 'Get').yesterday },
    { key: 'put.today', title: t('put.today'), render: (_, { runtime }) => dayTotals(runtime, 'Put').today },
    { key: 'get.today', title: t('get.today'), render: (_, { runtime }) => dayTotals(runtime, 'Get').today },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, broker) => (
        <Space>
          <Button type="link" size="small" onClick={() => inform(broker)}>
            {t('info')}
          </Button>
          <Link to={detail(broker)}>{t('detail')}</Link>
        </Space>
      ),
    },
  ];
}

/** 「集群信息」 (SEED_SPEC 6.3). */
function ClusterPage() {
  const t = useMessages({ zh, en });
  const { path } = useInstance();
  const [shown, setShown] = useState<string | null>(null);
  const query = useBrokers();
  const rows = query.data ?? [];
  const informed = rows.find((broker) => keyOf(broker) === shown);
  const columns = columnsOf(
    t,
    ({ name }) => path('cluster', name),
    (broker) => setShown(keyOf(broker)),
  );
  return (
    <Page title={t('title')}>
      <GuideTable name={t('title')} columns={columns} rowKey={keyOf} query={query} rows={rows} />
      <Suspense>{informed !== undefined && <InfoDialog broker={informed} onClose={() => setShown(null)} />}</Suspense>
    </Page>
  );
}

export function Component() {
  return (
    <Suspense>
      <Routes>
        <Route index element={<ClusterPage />} />
        <Route path=":broker" element={<BrokerPage />} />
      </Routes>
    </Suspense>
  );
}
