import { Alert, Button, Table } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { usePoll } from '@/api/poll';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { moneyText } from '@/components/money';
import { en } from './en';
import { isItem, priceListsQuery, sorted, type Price, type PriceList } from './priceLists';
import { zh } from './zh';

const PriceListDialog = lazy(() => import('./PriceListDialog'));

export function itemText(item: string, t: Translate<typeof zh>): string {
  return isItem(item) ? t(`item.${item}`) : item;
}

function Prices({ list }: { list: PriceList }) {
  const t = useMessages({ zh, en });
  const columns: Columns<Price> = [
    { key: 'item', title: t('item'), render: (_, { item }) => itemText(item, t) },
    {
      key: 'price',
      title: t('price'),
      align: 'right',
      render: (_, { micros }) => `${moneyText(micros)} ${list.currency}`,
    },
    { key: 'per', title: t('per'), dataIndex: 'per', align: 'right' },
  ];
  return (
    <Table
      size="small"
      aria-label={`${t('items')} ${list.name}/${list.version}`}
      pagination={false}
      columns={columns}
      dataSource={list.prices}
      rowKey="item"
    />
  );
}

/** All versions of all lists, with their prices. */
export function PriceLists() {
  const t = useMessages({ zh, en });
  const { minute } = useTimes();
  const [isAdding, setAdding] = useState(false);
  const query = usePoll({
    queryKey: priceListsQuery.queryKey,
    queryFn: priceListsQuery.queryFn as () => Promise<PriceList[]>,
    every: 60_000,
  });
  const columns: Columns<PriceList> = [
    { key: 'name', title: t('priceList'), dataIndex: 'name' },
    { key: 'version', title: t('version'), dataIndex: 'version', align: 'right' },
    {
      key: 'validFrom',
      title: t('validFrom'),
      render: (_, { validFrom }) => (validFrom === 0 ? t('always') : minute(validFrom)),
    },
    { key: 'currency', title: t('currency'), dataIndex: 'currency' },
    { key: 'count', title: t('count'), align: 'right', render: (_, { prices }) => prices.length },
  ];
  return (
    <>
      <Alert type="info" style={{ marginBottom: 16 }} title={t('prices.note')} />
      <Button type="primary" style={{ marginBottom: 16 }} onClick={() => setAdding(true)}>
        {t('prices.create')}
      </Button>
      <GuideTable
        name={t('prices')}
        columns={columns}
        rowKey={({ name, version }) => `${name}/${version}`}
        query={query}
        rows={sorted(query.data ?? [])}
        expandable={{ expandedRowRender: (list) => <Prices list={list} /> }}
      />
      <Suspense>{isAdding && <PriceListDialog lists={query.data ?? []} onClose={() => setAdding(false)} />}</Suspense>
    </>
  );
}
