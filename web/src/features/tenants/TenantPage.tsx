import { useQuery } from '@tanstack/react-query';
import { Divider, Result, Space } from 'antd';
import { Link, useParams } from 'react-router';
import { api, call } from '@/api/client';
import { usePoll } from '@/api/poll';
import { instancesQuery, type Instance } from '@/api/shared';
import { asFailure } from '@/api/failure';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { instanceKey, instancePath } from '@/components/instance';
import { Page } from '@/components/Page';
import { QueryState } from '@/components/QueryState';
import { Status } from '@/components/Status';
import { tenantMeant } from '@/components/tenant';
import { minuteText } from '@/components/time';
import { en } from './en';
import { Removals } from './Removals';
import { zh } from './zh';

/** One tenant: its instances, what else there is of it, and what is gone. */
export function TenantPage() {
  const t = useMessages({ zh, en });
  const { tenant = '' } = useParams();
  const id = tenantMeant(tenant);
  const query = useQuery({
    queryKey: ['tenants', tenant],
    queryFn: () => call(api.GET('/v1/tenants/{tenant}', { params: { path: { tenant } } })),
    enabled: id !== null,
  });
  const instances = usePoll({
    queryKey: instancesQuery.queryKey,
    queryFn: instancesQuery.queryFn as () => Promise<Instance[]>,
    every: 30_000,
  });
  const all = instances.data ?? [];
  const columns: Columns<Instance> = [
    { key: 'id', title: t('instance.id'), dataIndex: 'id' },
    {
      key: 'name',
      title: t('instance.name'),
      render: (_, instance) => <Link to={instancePath(instanceKey(instance, all), 'overview')}>{instance.name}</Link>,
    },
    {
      key: 'status',
      title: t('instance.status'),
      render: (_, { status }) => (
        <Status is={status === 'running' ? 'good' : 'bad'}>{t(status === 'running' ? 'instance.running' : 'instance.frozen')}</Status>
      ),
    },
    { key: 'plan', title: t('instance.plan'), dataIndex: 'plan' },
    { key: 'brokers', title: t('instance.brokers'), render: (_, { brokers }) => brokers.join(', ') },
    { key: 'createdAt', title: t('instance.createdAt'), render: (_, { createdAt, timeZone }) => minuteText(createdAt, timeZone) },
    { key: 'expiresAt', title: t('instance.expiresAt'), render: (_, { expiresAt, timeZone }) => minuteText(expiresAt, timeZone) },
  ];
  const isMissing = id === null || (query.error !== null && asFailure(query.error).status === 404);
  if (isMissing) {
    // What is gone can be proved all the same.
    return (
      <Page title={t('title')}>
        <Result status="warning" title={t('missing', { id: tenant })} extra={<Link to="/tenants">{t('back')}</Link>} />
        {id !== null && <Removals tenant={id} />}
      </Page>
    );
  }
  return (
    <Page title={query.data === undefined ? t('title') : `${query.data.name} (${id})`}>
      <QueryState query={query}>
        {() => (
          <>
            <Space wrap separator={<Divider orientation="vertical" />} style={{ marginBottom: 16 }}>
              <Link to="/tenants">{t('back')}</Link>
              <Link to={`/billing?tenant=${id}`}>{t('billing')}</Link>
              <Link to={`/access?tenant=${id}`}>{t('access')}</Link>
              <Link to={`/audit?tenant=${id}`}>{t('audit')}</Link>
            </Space>
            <h2>{t('instance.list')}</h2>
            <GuideTable
              name={t('instance.list')}
              columns={columns}
              rowKey={(instance) => instance.id}
              query={instances}
              rows={all.filter(({ tenantId }) => tenantId === id)}
            />
            <h2>{t('removals')}</h2>
            <Removals tenant={id} />
          </>
        )}
      </QueryState>
    </Page>
  );
}
