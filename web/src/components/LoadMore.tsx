import { Alert, Button } from 'antd';
import { en } from './en';
import { useMessages } from './i18n';
import { zh } from './zh';

interface Props {
  loaded: number;
  hasMore: boolean;
  isFetching: boolean;
  onMore: () => void;
}

/** Below a table that shows the first pages of a list: how to come to the others. */
export function LoadMore({ loaded, hasMore, isFetching, onMore }: Props) {
  const t = useMessages({ zh, en });
  return hasMore ? (
    <Alert
      type="info"
      style={{ marginBottom: 16 }}
      title={t('more.loaded', { count: loaded })}
      action={
        <Button size="small" loading={isFetching} onClick={onMore}>
          {t('more.load')}
        </Button>
      }
    />
  ) : null;
}
