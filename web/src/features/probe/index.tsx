import { Tabs } from 'antd';
import { useSearchParams } from 'react-router';
import { useMessages } from '@/components/i18n';
import { Page } from '@/components/Page';
import { ConsumeTest } from './ConsumeTest';
import { en } from './en';
import { ProduceTest } from './ProduceTest';
import { zh } from './zh';

/** 「拨测页面」 (SEED_SPEC 6.5.1): sends and consumes a few messages to see that it works. */
export function Component() {
  const t = useMessages({ zh, en });
  const [params, setParams] = useSearchParams();
  const topic = params.get('topic') ?? undefined;
  const open = (tab: string) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.set('tab', tab);
        return next;
      },
      { replace: true },
    );
  return (
    <Page title={t('title')}>
      <Tabs
        activeKey={params.get('tab') === 'consume' ? 'consume' : 'produce'}
        onChange={open}
        items={[
          { key: 'produce', label: t('produce'), children: <ProduceTest topic={topic} /> },
          { key: 'consume', label: t('consume'), children: <ConsumeTest topic={topic} /> },
        ]}
      />
    </Page>
  );
}
