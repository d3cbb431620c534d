import { Form, Tabs } from 'antd';
import { useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { Page } from '@/components/Page';
import { TenantField, useTenant } from '@/components/tenant';
import { en } from './en';
import { Tokens } from './Tokens';
import { Users } from './Users';
import { zh } from './zh';

/** Who may log in to the console of a tenant, and what programs may do. */
export function Component() {
  const t = useMessages({ zh, en });
  const { tenant } = useTenant();
  const [params, setParams] = useSearchParams();
  const choose = (tab: string) =>
    setParams({ tab, ...(params.has('tenant') ? { tenant: params.get('tenant') ?? '' } : {}) }, { replace: true });
  return (
    <Page title={t('title')}>
      {tenant === null ? (
        <>
          <Form layout="inline" className="filter-bar">
            <TenantField required />
          </Form>
          <p>{t('choose')}</p>
        </>
      ) : (
        <Tabs
          activeKey={params.get('tab') ?? 'users'}
          onChange={choose}
          destroyOnHidden
          items={[
            { key: 'users', label: t('users'), children: <Users key={tenant} tenant={tenant} /> },
            { key: 'tokens', label: t('tokens'), children: <Tokens key={tenant} tenant={tenant} /> },
          ]}
        />
      )}
    </Page>
  );
}
