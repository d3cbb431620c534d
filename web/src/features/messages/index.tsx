import { Tabs } from 'antd';
import { useState } from 'react';
import { FilterBar } from '@/components/FilterBar';
import { GuideTable } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePaging } from '@/components/paging';
import { BodyDialog } from './BodyDialog';
import type { MessageRow } from './body';
import { columnsOf } from './columns';
import { en } from './en';
import { GroupField, IdField, KeyField, NumberField, TopicBrokerField, TopicField, useBrokersOf } from './fields';
import { tidy, TABS, useFound, useSearch, type Search, type Tab } from './search';
import { zh } from './zh';

/** 「消息查询」 (SEED_SPEC 6.9). */
export function Component() {
  const t = useMessages({ zh, en });
  const { tab, go, search } = useSearch();
  return (
    <Page title={t('title')}>
      <Tabs
        activeKey={tab}
        destroyOnHidden
        onChange={(key) => {
          // What the tabs share goes along.
          const { topic = '', group = '' } = search;
          go(TABS.find((one) => one === key) ?? 'key', { topic, group });
        }}
        items={TABS.map((key) => ({ key, label: t(`tab.${key}`), children: <Query tab={key} /> }))}
      />
    </Page>
  );
}

function Query({ tab }: { tab: Tab }) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  const paging = usePaging();
  const { search, go } = useSearch();
  const [viewed, setViewed] = useState<MessageRow | null>(null);
  const brokers = useBrokersOf(search.topic ?? '');
  const [only] = brokers.length === 1 ? brokers : [];
  const full = tab === 'offset' && search.broker === undefined && only !== undefined ? { ...search, broker: only } : search;
  const query = useFound(tab, full, paging);
  const find = (values: Search) => {
    if (JSON.stringify(tidy(values)) === JSON.stringify(search)) {
      void query.refetch();
    } else {
      go(tab, values);
    }
  };
  const found = query.error === null ? query.data : undefined;
  return (
    <>
      <FilterBar<Search> initial={search} onSearch={find}>
        <TopicField required={tab !== 'id'} />
        {tab === 'key' && <KeyField />}
        {tab === 'id' && <IdField />}
        {tab === 'offset' && <NumberField name="queue" />}
        <GroupField />
        {tab === 'offset' && (
          <>
            <NumberField name="offset" />
            <TopicBrokerField />
          </>
        )}
      </FilterBar>
      <GuideTable
        name={t('title')}
        columns={columnsOf(t, { second, view: setViewed })}
        rowKey={({ msgId }) => msgId}
        // Before a search there is nothing to wait for.
        query={{ ...query, isPending: query.isLoading }}
        rows={found?.rows ?? []}
        total={found?.total ?? 0}
        paging={paging}
      />
      {viewed !== null && <BodyDialog message={viewed} onClose={() => setViewed(null)} />}
    </>
  );
}
