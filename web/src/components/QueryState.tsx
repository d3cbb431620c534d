import { Empty, Skeleton, Space } from 'antd';
import type { ReactNode } from 'react';
import { en } from './en';
import { Failure } from './Failure';
import { useMessages } from './i18n';
import { zh } from './zh';

/** What this needs of a query of TanStack's. */
export interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  isFetching: boolean;
  refetch: () => unknown;
}

interface Props<T> {
  query: QueryLike<T>;
  children: (data: T) => ReactNode;
  isEmpty?: (data: T) => boolean;
}

export function NoData() {
  const t = useMessages({ zh, en });
  return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('table.empty')} />;
}

/** The states of a query: loading, failed with a way to try again, empty, there. */
export function QueryState<T>({ query, children, isEmpty }: Props<T>) {
  const t = useMessages({ zh, en });
  const retry = () => void query.refetch();
  if (query.data === undefined) {
    return query.error == null ? (
      <div role="status" aria-label={t('state.loading')}>
        <Skeleton active />
      </div>
    ) : (
      <Failure error={query.error} onRetry={retry} />
    );
  }
  return (
    <Space orientation="vertical" size="middle" style={{ width: '100%' }}>
      {query.error != null && <Failure error={query.error} onRetry={retry} title={t('state.stale')} />}
      {isEmpty?.(query.data) === true ? <NoData /> : children(query.data)}
    </Space>
  );
}
