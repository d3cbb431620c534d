import { Table, type TableColumnsType, type TableProps } from 'antd';
import type { Key } from 'react';
import { Failure } from './Failure';
import { en } from './en';
import { useMessages } from './i18n';
import { usePaging, type Paging } from './paging';
import { NoData, type QueryLike } from './QueryState';
import { TableFooter } from './TableFooter';
import { useTablePlace } from './tables';
import { zh } from './zh';

export type Columns<Row> = TableColumnsType<Row>;

interface Props<Row> {
  /** Says to those who cannot see it what the table is. */
  name: string;
  columns: Columns<Row>;
  rowKey: (row: Row) => string;
  /** The query that the rows are from: its states are shown here. */
  query: QueryLike<unknown>;
  rows: readonly Row[];
  /** Rows of all pages, if `rows` is one page that the service cut; else this table cuts. */
  total?: number;
  /** Needed with `total`; otherwise made here. */
  paging?: Paging;
  selection?: { keys: string[]; change: (keys: string[]) => void };
  expandable?: TableProps<Row>['expandable'];
}

/** A table as the guide's: bordered, with its footer. */
export function GuideTable<Row extends object>(props: Props<Row>) {
  const { name, columns, rowKey, query, rows, selection, expandable } = props;
  const t = useMessages({ zh, en });
  const own = usePaging();
  const paging = props.paging ?? own;
  const total = props.total ?? rows.length;
  const last = Math.max(1, Math.ceil(total / paging.size));
  const page = Math.min(paging.page, last);
  const start = (page - 1) * paging.size;
  const shown = props.total === undefined ? rows.slice(start, start + paging.size) : rows;
  const refresh = () => void query.refetch();
  const place = useTablePlace();
  return (
    <section ref={place} className="guide-table" aria-label={name} aria-busy={query.isFetching}>
      {query.error != null && (
        <Failure error={query.error} onRetry={refresh} {...(query.data === undefined ? {} : { title: t('state.stale') })} />
      )}
      <Table<Row>
        size="small"
        bordered
        columns={columns}
        dataSource={shown}
        rowKey={rowKey}
        loading={query.isPending && query.error == null}
        pagination={false}
        scroll={{ x: 'max-content' }}
        locale={{ emptyText: query.isPending ? <span /> : <NoData /> }}
        {...(expandable === undefined ? {} : { expandable })}
        {...(selection === undefined
          ? {}
          : {
              rowSelection: {
                selectedRowKeys: selection.keys,
                preserveSelectedRowKeys: true,
                onChange: (keys: Key[]) => selection.change(keys.map(String)),
                getCheckboxProps: (row: Row) => ({ 'aria-label': `${t('table.select')} ${rowKey(row)}` }),
              },
            })}
      />
      <TableFooter paging={{ ...paging, page }} total={total} isFetching={query.isFetching} onRefresh={refresh} />
    </section>
  );
}
