import { useQuery } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { Link } from 'react-router';
import { usePoll } from '@/api/poll';
import { instancesQuery, plansQuery, tenantsQuery, type Instance, type Plan } from '@/api/shared';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { instanceKey, instancePath } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePerson } from '@/components/session';
import { Status } from '@/components/Status';
import { minuteText } from '@/components/time';
import { en } from './en';
import { MoreActions } from './MoreActions';
import { ShortId } from './ShortId';
import { zh } from './zh';

/** Not before somebody makes one: its form is most of the weight. */
const CreateDialog = lazy(() => import('./CreateDialog'));

type T = Translate<typeof zh>;

/** 基础版 and 中级版 are the guide's names of two plans; others have the names they were given. */
export function typeText(plan: string, t: T): string {
  switch (plan) {
    case 'basic':
      return t('type.basic');
    case 'intermediate':
      return t('type.intermediate');
    case 'serverless':
      return t('type.serverless');
    default:
      return plan;
  }
}

function capText(cap: number | undefined, t: T, unit = ''): string {
  return cap === undefined ? '-' : cap === 0 ? t('unlimited') : `${cap}${unit}`;
}

interface Context {
  all: readonly Instance[];
  plans: ReadonlyMap<string, Plan>;
  tenants: ReadonlyMap<number, string> | null;
}

/** May break between words: the English ones are wider than what stands below them. */
function heading(text: string) {
  return <span className="heading">{text}</span>;
}

function columnsOf(t: T, { all, plans, tenants }: Context): Columns<Instance> {
  const plan = (instance: Instance) => plans.get(instance.plan);
  const manage = (instance: Instance) => instancePath(instanceKey(instance, all), 'overview');
  return [
    ...(tenants === null
      ? []
      : [{ key: 'tenant', title: t('tenant'), render: (_: unknown, { tenantId }: Instance) => tenants.get(tenantId) ?? tenantId }]),
    { key: 'id', title: t('id'), render: (_, { id }) => <ShortId id={id} /> },
    { key: 'name', title: heading(t('name')), render: (_, instance) => <Link to={manage(instance)}>{instance.name}</Link> },
    {
      key: 'status',
      title: t('status'),
      render: (_, { status }) => <Status is={status === 'running' ? 'good' : 'bad'}>{t(`status.${status}`)}</Status>,
    },
    { key: 'type', title: t('type'), render: (_, instance) => typeText(instance.plan, t) },
    {
      key: 'billing',
      title: heading(t('billing')),
      render: (_, instance) => t(instance.plan === 'serverless' ? 'billing.use' : 'billing.period'),
    },
    { key: 'tps', title: heading(t('tps')), render: (_, instance) => capText(plan(instance)?.tps, t) },
    { key: 'topics', title: heading(t('topics')), render: (_, instance) => capText(plan(instance)?.topics, t) },
    { key: 'storage', title: t('storage'), render: (_, instance) => capText(plan(instance)?.storageGib, t, 'G') },
    // An instance is reached at the service's address, in no network of its own.
    { key: 'network', title: heading(t('network')), render: () => '-' },
    { key: 'createdAt', title: heading(t('createdAt')), render: (_, { createdAt, timeZone }) => minuteText(createdAt, timeZone) },
    { key: 'expiresAt', title: heading(t('expiresAt')), render: (_, { expiresAt, timeZone }) => minuteText(expiresAt, timeZone) },
    {
      key: 'actions',
      title: t('actions'),
      fixed: 'end',
      render: (_, instance) => (
        <Space size={0}>
          <Link to={manage(instance)}>{t('manage')}</Link>
          <MoreActions instance={instance} path={(page) => instancePath(instanceKey(instance, all), page)} />
        </Space>
      ),
    },
  ];
}

/** 「实例列表」 (SEED_SPEC 6.1): the union of the columns of both variants. */
export function Component() {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const [isCreating, setCreating] = useState(false);
  const query = usePoll({ queryKey: instancesQuery.queryKey, queryFn: instancesQuery.queryFn as () => Promise<Instance[]>, every: 30_000 });
  const all = query.data ?? [];
  const plans = new Map((useQuery(plansQuery).data ?? []).map((plan) => [plan.name, plan]));
  const tenants = useQuery({ ...tenantsQuery, enabled: may.deploy }).data ?? [];
  const names = may.deploy ? new Map(tenants.map(({ id, name }) => [id, name])) : null;
  return (
    <Page
      title={t('title')}
      extra={
        may.deploy && (
          <Button type="primary" onClick={() => setCreating(true)}>
            {t('create')}
          </Button>
        )
      }
    >
      <GuideTable
        name={t('title')}
        columns={columnsOf(t, { all, plans, tenants: names })}
        rowKey={({ id }) => id}
        query={query}
        rows={all}
      />
      <Suspense>{isCreating && <CreateDialog onClose={() => setCreating(false)} />}</Suspense>
    </Page>
  );
}
