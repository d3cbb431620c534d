import { Alert, Button } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { usePoll } from '@/api/poll';
import { plansQuery, type Plan } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

const PlanDialog = lazy(() => import('./PlanDialog'));

/** Counted things, of which 0 is no cap. */
export type Cap = 'tps' | 'topicTps' | 'topics' | 'groups' | 'brokers' | 'storageGib' | 'connections';

function columnsOf(t: Translate<typeof zh>): Columns<Plan> {
  const cap = (key: Cap, unit = '') => ({
    key,
    title: t(key),
    align: 'right' as const,
    render: (_: unknown, plan: Plan) => (plan[key] === 0 ? t('unlimited') : `${plan[key]}${unit}`),
  });
  return [
    { key: 'name', title: t('name'), dataIndex: 'name' },
    cap('tps'),
    cap('topicTps'),
    { key: 'burstSeconds', title: t('burstSeconds'), dataIndex: 'burstSeconds', align: 'right' },
    cap('topics'),
    cap('groups'),
    cap('brokers'),
    cap('storageGib', 'G'),
    { key: 'retentionHours', title: t('retentionHours'), dataIndex: 'retentionHours', align: 'right' },
    { key: 'messageBytes', title: t('messageBytes'), dataIndex: 'messageBytes', align: 'right' },
    cap('connections'),
    { key: 'priceList', title: t('priceList'), dataIndex: 'priceList' },
  ];
}

/** What instances may use. */
export function Plans() {
  const t = useMessages({ zh, en });
  const [isCreating, setCreating] = useState(false);
  const query = usePoll({
    queryKey: plansQuery.queryKey,
    queryFn: plansQuery.queryFn as () => Promise<Plan[]>,
    every: 60_000,
  });
  return (
    <>
      <Alert type="info" style={{ marginBottom: 16 }} title={t('note')} />
      <Button type="primary" style={{ marginBottom: 16 }} onClick={() => setCreating(true)}>
        {t('create')}
      </Button>
      <GuideTable name={t('list')} columns={columnsOf(t)} rowKey={({ name }) => name} query={query} rows={query.data ?? []} />
      <Suspense>{isCreating && <PlanDialog onClose={() => setCreating(false)} />}</Suspense>
    </>
  );
}
