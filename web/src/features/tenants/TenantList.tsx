import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Space } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { Link } from 'react-router';
import { api, done } from '@/api/client';
import { instancesQuery, tenantsQuery, type Tenant } from '@/api/shared';
import { usePoll } from '@/api/poll';
import { useConfirm } from '@/components/Confirm';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

const TenantDialog = lazy(() => import('./TenantDialog'));

/** All tenants, each with what may be done to it. */
export function TenantList() {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const confirm = useConfirm();
  /** `null` for a new one. */
  const [edited, edit] = useState<Tenant | null | undefined>(undefined);
  const query = usePoll({
    queryKey: tenantsQuery.queryKey,
    queryFn: tenantsQuery.queryFn as () => Promise<Tenant[]>,
    every: 30_000,
  });
  const instances = useQuery(instancesQuery).data;
  const countOf = ({ id }: Tenant) => instances?.filter(({ tenantId }) => tenantId === id).length ?? '-';
  const remove = (tenant: Tenant) =>
    confirm({
      text: t('remove.text', { name: tenant.name, count: countOf(tenant) }),
      typeName: tenant.name,
      run: async () => {
        await done(api.DELETE('/v1/tenants/{tenant}', { params: { path: { tenant: String(tenant.id) } } }));
        await queries.invalidateQueries({ queryKey: tenantsQuery.queryKey });
      },
      done: t('remove.done'),
    });
  const columns: Columns<Tenant> = [
    { key: 'id', title: t('id'), dataIndex: 'id' },
    { key: 'name', title: t('name'), render: (_, { id, name }) => <Link to={`/tenants/${id}`}>{name}</Link> },
    { key: 'instances', title: t('instances'), align: 'right', render: (_, tenant) => countOf(tenant) },
    {
      key: 'actions',
      title: t('actions'),
      render: (_, tenant) => (
        <Space>
          <Link to={`/tenants/${tenant.id}`}>{t('manage')}</Link>
          <Button type="link" size="small" aria-label={`${t('change')} ${tenant.name}`} onClick={() => edit(tenant)}>
            {t('change')}
          </Button>
          <Button type="link" size="small" aria-label={`${t('remove')} ${tenant.name}`} onClick={() => remove(tenant)}>
            {t('remove')}
          </Button>
        </Space>
      ),
    },
  ];
  return (
    <>
      <Button type="primary" style={{ marginBottom: 16 }} onClick={() => edit(null)}>
        {t('create')}
      </Button>
      <GuideTable name={t('list')} columns={columns} rowKey={({ id }) => String(id)} query={query} rows={query.data ?? []} />
      <Suspense>{edited !== undefined && <TenantDialog tenant={edited} onClose={() => edit(undefined)} />}</Suspense>
    </>
  );
}
