import { Tabs } from 'antd';
import { useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { OperatorsOnly } from '@/components/OperatorsOnly';
import { Page } from '@/components/Page';
import { en } from './en';
import { Plans } from './Plans';
import { PriceLists } from './PriceLists';
import { zh } from './zh';

/** What instances may use, and what that costs. */
export function Component() {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  return (
    <OperatorsOnly title={t('title')}>
      <Page title={t('title')}>
        <Tabs
          activeKey={params.get('tab') ?? 'plans'}
          onChange={(tab) => setParams({ tab }, { replace: true })}
          destroyOnHidden
          items={[
            { key: 'plans', label: t('list'), children: <Plans /> },
            { key: 'prices', label: t('prices'), children: <PriceLists /> },
          ]}
        />
      </Page>
    </OperatorsOnly>
  );
}
