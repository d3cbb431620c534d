import { Form, Tabs } from 'antd';
import { Route, Routes, useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { Page } from '@/components/Page';
import { TenantField, useTenant } from '@/components/tenant';
import { BillsTab } from './BillsTab';
import { en } from './en';
import { PrintPage } from './PrintPage';
import { UsageTab } from './UsageTab';
import { zh } from './zh';

function Billing() {
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
          activeKey={params.get('tab') ?? 'usage'}
          onChange={choose}
          destroyOnHidden
          items={[
            { key: 'usage', label: t('usage'), children: <UsageTab tenant={tenant} /> },
            { key: 'bills', label: t('bills'), children: <BillsTab tenant={tenant} /> },
          ]}
        />
      )}
    </Page>
  );
}

/** What a tenant used and owes. */
export function Component() {
  return (
    <Routes>
      <Route index element={<Billing />} />
      <Route path="print" element={<PrintPage />} />
    </Routes>
  );
}
