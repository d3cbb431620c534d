import { useQuery } from '@tanstack/react-query';
import { Progress, Space, Typography } from 'antd';
import { api, call } from '@/api/client';
import { usePoll } from '@/api/poll';
import { plansQuery, type Schemas } from '@/api/shared';
import { FilterBar, InstanceField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePaging } from '@/components/paging';
import { Status } from '@/components/Status';
import { amountText, levelOf, shareOf } from './amounts';
import { en } from './en';
import { zh } from './zh';

type T = Translate<typeof zh>;
type Refused = Schemas['RefusedJson'];
type Limit = Schemas['LimitJson'];

const ROWS = 15;

const LIMITS = ['tps', 'topicTps', 'topics', 'groups', 'brokers', 'storageBytes', 'connections', 'messageBytes', 'retentionHours'] as const;
const REASONS = ['instance', 'topic', 'groupTopic', 'connections'] as const;

/** A word of the service that this console does not know is shown as it is. */
function limitText(t: T, name: string): string {
  const known = LIMITS.find((word) => word === name);
  return known === undefined ? name : t(`limit.${known}`);
}

function reasonText(t: T, limit: string): string {
  const known = REASONS.find((word) => word === limit);
  return known === undefined ? limit : t(`reason.${known}`);
}

function Share({ limit, t }: { limit: Limit; t: T }) {
  const share = shareOf(limit.used, limit.max);
  if (share === null) {
    return '-';
  }
  const level = levelOf(share);
  const percent = Math.round(share * 1000) / 10;
  return (
    <Space>
      <Progress
        percent={percent}
        showInfo={false}
        style={{ width: '12rem', margin: 0 }}
        status={level === 'full' ? 'exception' : 'normal'}
        aria-label={limitText(t, limit.name)}
      />
      <span>{percent}%</span>
      {level !== 'good' && <Status is={level === 'full' ? 'bad' : 'waiting'}>{t(level)}</Status>}
    </Space>
  );
}

function limitColumns(t: T): Columns<Limit> {
  return [
    { key: 'name', title: t('name'), render: (_, { name }) => limitText(t, name) },
    { key: 'used', title: t('used'), render: (_, { name, used }) => (used == null ? t('unknown') : amountText(name, used)) },
    { key: 'max', title: t('max'), render: (_, { name, max }) => (max == null ? t('unlimited') : amountText(name, max)) },
    { key: 'share', title: t('share'), render: (_, limit) => <Share limit={limit} t={t} /> },
  ];
}

function refusedColumns(t: T, second: (ms: number) => string): Columns<Refused> {
  return [
    { key: 'limit', title: t('limit'), dataIndex: 'limit' },
    { key: 'reason', title: t('reason'), render: (_, { limit }) => reasonText(t, limit) },
    { key: 'what', title: t('what'), dataIndex: 'what' },
    { key: 'max', title: t('max'), dataIndex: 'max' },
    { key: 'count', title: t('count'), dataIndex: 'count' },
    { key: 'last', title: t('last'), render: (_, { lastAt }) => second(lastAt) },
  ];
}

/** Every limit of an instance against its use, and what was refused because of one. */
export function Component() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const { second } = useTimes();
  const limitsPaging = usePaging('limits-', ROWS);
  const refusedPaging = usePaging('refused-');
  const plan = useQuery(plansQuery).data?.find(({ name }) => name === instance.plan);
  const query = usePoll({
    queryKey: ['instance', instance.id, 'quota'],
    queryFn: () => call(api.GET('/v1/instances/{instance}/quota', { params: { path: { instance: instance.id } } })),
  });
  const fixed: Limit[] = [
    { name: 'retentionHours', max: instance.retentionHours, used: null },
    ...(plan === undefined ? [] : [{ name: 'messageBytes', max: plan.messageBytes, used: null }]),
  ];
  const limits = query.data === undefined ? [] : [...query.data.items, ...fixed];
  return (
    <Page title={t('title')} extra={<Typography.Text>{t('plan', { plan: instance.plan })}</Typography.Text>}>
      <FilterBar initial={{}} onSearch={() => void query.refetch()}>
        <InstanceField page="quota" />
      </FilterBar>
      <GuideTable
        name={t('limits')}
        columns={limitColumns(t)}
        rowKey={({ name }) => name}
        query={query}
        rows={limits}
        paging={limitsPaging}
      />
      <Typography.Title level={2}>
        {t('refused')}
      </Typography.Title>
      <Typography.Paragraph>{t('refused.note')}</Typography.Paragraph>
      <GuideTable
        name={t('refused')}
        columns={refusedColumns(t, second)}
        rowKey={({ limit }) => limit}
        query={query}
        rows={query.data?.refused ?? []}
        paging={refusedPaging}
      />
    </Page>
  );
}
