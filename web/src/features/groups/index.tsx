import { Button } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useSearchParams } from 'react-router';
import { usePoll } from '@/api/poll';
import { groupsQuery } from '@/api/shared';
import { BatchActions } from '@/components/batch/BatchActions';
import { BrokerField, FilterBar, InstanceField, TextField } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { Page } from '@/components/Page';
import { usePerson } from '@/components/session';
import { en } from './en';
import { groupRows, matching, rowKey, wantedOf, type Filter, type GroupRow } from './groups';
import { RowActions } from './RowActions';
import { mechanismText, startText } from './texts';
import { zh } from './zh';

const CreateDialog = lazy(() => import('./CreateDialog'));

function columnsOf(t: Translate<typeof zh>): Columns<GroupRow> {
  return [
    { key: 'name', title: t('name'), dataIndex: 'groupName' },
    { key: 'brokerName', title: t('brokerName'), dataIndex: 'brokerName' },
    { key: 'brokerId', title: t('brokerId'), dataIndex: 'brokerId' },
    { key: 'start', title: t('start'), render: (_, group) => startText(group, t) },
    { key: 'mechanism', title: t('mechanism'), render: (_, group) => mechanismText(group, t) },
    { key: 'enabled', title: t('enabled'), render: (_, { consumeEnable }) => t(consumeEnable ? 'yes' : 'no') },
    { key: 'actions', title: t('actions'), render: (_, group) => <RowActions group={group} /> },
  ];
}

/** 「订阅组管理」 (SEED_SPEC 6.6): a row for each group and broker. */
export function Component() {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const { instance, management } = useInstance();
  const [params, setParams] = useSearchParams();
  const [isCreating, setCreating] = useState(false);
  const [ticked, setTicked] = useState<string[]>([]);
  const filter: Filter = { broker: params.get('broker') ?? '', group: params.get('group') ?? '' };
  const query = usePoll({
    queryKey: [...groupsQuery(instance).queryKey, 'rows'],
    queryFn: () => groupRows(management),
  });
  const all = query.data ?? [];
  const rows = matching(all, filter);
  // Nothing counts as ticked that is not in the list any more.
  const tickedRows = rows.filter((row) => ticked.includes(rowKey(row)));
  const again = () => void query.refetch();
  const search = ({ broker, group }: Filter) => {
    setParams((before) => {
      const next = new URLSearchParams(before);
      next.delete('page');
      for (const [name, value] of [['broker', broker], ['group', group.trim()]] as const) {
        if (value === '') {
          next.delete(name);
        } else {
          next.set(name, value);
        }
      }
      return next;
    });
    again();
  };
  return (
    <Page title={t('title')}>
      <FilterBar<Filter>
        initial={filter}
        onSearch={search}
        actions={
          may.manage && (
            <Button autoInsertSpace={false} onClick={() => setCreating(true)}>
              {t('create')}
            </Button>
          )
        }
      >
        <InstanceField page="groups" />
        <BrokerField />
        <TextField name="group" label={t('name')} />
      </FilterBar>
      <BatchActions
        kind="groups"
        instance={instance}
        brokers={[]}
        wanted={wantedOf(tickedRows, filter)}
        templateLabel={t('template')}
        onDone={again}
      />
      <GuideTable
        name={t('title')}
        columns={columnsOf(t)}
        rowKey={rowKey}
        query={query}
        rows={rows}
        selection={{ keys: tickedRows.map(rowKey), change: setTicked }}
      />
      <Suspense>{isCreating && <CreateDialog onClose={() => setCreating(false)} />}</Suspense>
    </Page>
  );
}
