import { DownloadOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Descriptions, Modal } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { auditPage, type AuditRow } from '@/api/audit';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { LoadMore } from '@/components/LoadMore';
import { Page } from '@/components/Page';
import { Status } from '@/components/Status';
import { useTenant } from '@/components/tenant';
import { en } from './en';
import { DENIED, filterOf, type Fields } from './filter';
import { Filters } from './Filters';
import { zh } from './zh';

const ExportDialog = lazy(() => import('./ExportDialog'));

const ROWS = 200;
const NO_FILTER: Fields = { range: null, caller: '', action: '', outcome: '', instance: '' };

function Outcome({ row }: { row: AuditRow }) {
  const t = useMessages({ zh, en });
  const isDenied = row.action === DENIED;
  return <Status is={isDenied ? 'bad' : 'good'}>{t(isDenied ? 'outcome.denied' : 'outcome.done')}</Status>;
}

function DetailDialog({ row, onClose }: { row: AuditRow; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  return (
    <Modal
      open
      width={720}
      title={t('detail.title', { id: row.id })}
      closable={{ 'aria-label': t('close') }}
      onCancel={onClose}
      footer={
        <Button autoFocus autoInsertSpace={false} onClick={onClose}>
          {t('close')}
        </Button>
      }
    >
      <Descriptions
        size="small"
        bordered
        column={1}
        items={[
          { key: 'at', label: t('at'), children: second(row.at) },
          { key: 'tenant', label: t('tenant'), children: row.tenant ?? '-' },
          { key: 'caller', label: t('caller'), children: row.caller },
          { key: 'action', label: t('action'), children: row.action },
          { key: 'object', label: t('object'), children: <span className="breaking">{row.object}</span> },
          { key: 'outcome', label: t('outcome'), children: <Outcome row={row} /> },
          { key: 'request', label: t('request'), children: row.requestId === '' ? '-' : row.requestId },
        ]}
      />
      <h3>{t('detail')}</h3>
      <pre className="breaking" tabIndex={0} aria-label={t('detail')}>
        {JSON.stringify(row.detail, null, 2)}
      </pre>
    </Modal>
  );
}

function useColumns(isOperator: boolean, onShow: (row: AuditRow) => void): Columns<AuditRow> {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  return [
    { key: 'at', title: t('at'), render: (_, { at }) => second(at) },
    ...(isOperator ? [{ key: 'tenant', title: t('tenant'), render: (_: unknown, { tenant }: AuditRow) => tenant ?? '-' }] : []),
    { key: 'caller', title: t('caller'), dataIndex: 'caller' },
    { key: 'action', title: t('action'), dataIndex: 'action' },
    { key: 'object', title: t('object'), render: (_, { object }) => <span className="breaking">{object}</span> },
    { key: 'outcome', title: t('outcome'), render: (_, row) => <Outcome row={row} /> },
    { key: 'request', title: t('request'), render: (_, { requestId }) => (requestId === '' ? '-' : requestId) },
    {
      key: 'detail',
      title: t('detail'),
      render: (_, row) => (
        <Button type="link" size="small" aria-label={t('show.row', { id: row.id })} onClick={() => onShow(row)}>
          {t('show')}
        </Button>
      ),
    },
  ];
}

/** What was done and what was refused, newest first. */
export function Component() {
  const t = useMessages({ zh, en });
  const { tenant, isOpen } = useTenant();
  const [fields, setFields] = useState<Fields>(NO_FILTER);
  const [shown, show] = useState<AuditRow | null>(null);
  const [isExporting, setExporting] = useState(false);
  const filter = useMemo(() => filterOf(fields, isOpen ? tenant : null), [fields, tenant, isOpen]);
  const query = useInfiniteQuery({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam }) => auditPage(filter, ROWS, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: ({ cursor }) => cursor ?? null,
    // It grows at its head: pages that are there stay as they are until somebody asks.
    staleTime: 10_000,
  });
  const rows = query.data?.pages.flatMap(({ items }) => items) ?? [];
  const first = query.data?.pages[0];
  const columns = useColumns(isOpen, show);
  // The same filter again asks again.
  const search = (next: Fields) => {
    setFields(next);
    void query.refetch();
  };
  return (
    <Page title={t('title')}>
      <Filters
        initial={NO_FILTER}
        tenant={tenant}
        onSearch={search}
        actions={
          <Button icon={<DownloadOutlined />} disabled={rows.length === 0} onClick={() => setExporting(true)}>
            {t('export')}
          </Button>
        }
      />
      <p>
        {first !== undefined && <strong>{t(first.totalIsExact ? 'total' : 'total.more', { total: first.total })} </strong>}
        {t('outcome.note')}
      </p>
      <GuideTable name={t('title')} columns={columns} rowKey={({ id }) => String(id)} query={query} rows={rows} />
      <LoadMore
        loaded={rows.length}
        hasMore={query.hasNextPage}
        isFetching={query.isFetchingNextPage}
        onMore={() => void query.fetchNextPage()}
      />
      {shown !== null && <DetailDialog row={shown} onClose={() => show(null)} />}
      <Suspense>
        {isExporting && (
          <ExportDialog
            filter={filter}
            total={first?.totalIsExact === true ? first.total : null}
            onClose={() => setExporting(false)}
          />
        )}
      </Suspense>
    </Page>
  );
}
