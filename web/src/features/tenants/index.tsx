import { Tabs } from 'antd';
import { Route, Routes, useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { OperatorsOnly } from '@/components/OperatorsOnly';
import { Page } from '@/components/Page';
import { en } from './en';
import { Removals } from './Removals';
import { TenantList } from './TenantList';
import { TenantPage } from './TenantPage';
import { zh } from './zh';

function Tenants() {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  return (
    <Page title={t('title')}>
      <Tabs
        activeKey={params.get('tab') ?? 'list'}
        onChange={(tab) => setParams({ tab }, { replace: true })}
        destroyOnHidden
        items={[
          { key: 'list', label: t('list'), children: <TenantList /> },
          { key: 'removals', label: t('removals'), children: <Removals tenant={null} /> },
        ]}
      />
    </Page>
  );
}

/** Tenants of the deployment, and below them one each. */
export function Component() {
  const t = useMessages({ zh, en });
  return (
    <OperatorsOnly title={t('title')}>
      <Routes>
        <Route index element={<Tenants />} />
        <Route path=":tenant" element={<TenantPage />} />
      </Routes>
    </OperatorsOnly>
  );
}
