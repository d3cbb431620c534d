import { Button, Result } from 'antd';
import { Link, useRouteError } from 'react-router';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

/** A page that failed; the frame around it goes on. */
export function ErrorPage() {
  const t = useMessages({ zh, en });
  const error = useRouteError();
  return (
    <Result
      status="error"
      title={t('error.title')}
      subTitle={error instanceof Error ? error.message : String(error)}
      // A new version of the console has other files: the page must come anew.
      extra={<Button onClick={() => location.reload()}>{t('error.reload')}</Button>}
    />
  );
}

export function NotFound({ text }: { text?: string }) {
  const t = useMessages({ zh, en });
  return (
    <Result status="404" title={text ?? t('error.notFound')} extra={<Link to="/instances">{t('error.home')}</Link>} />
  );
}
