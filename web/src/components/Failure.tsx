import { Alert, Button } from 'antd';
import { asFailure, type ApiFailure } from '@/api/failure';
import { en } from './en';
import { useMessages, type Translate } from './i18n';
import { zh } from './zh';

function limitText(failure: ApiFailure, t: Translate<typeof zh>): string {
  const { limit } = failure;
  const wait = failure.retryAfterSeconds;
  const after = wait === null ? '' : `, ${t('failure.retryAfter', { seconds: wait })}`;
  switch (limit?.name) {
    case 'instance':
      return t('failure.limit.instance', { tps: limit.tps }) + after;
    case 'topic':
      return t('failure.limit.topic', { tps: limit.tps }) + after;
    case 'groupTopic':
      return t('failure.limit.groupTopic', { tps: limit.tps }) + after;
    default:
      return t('failure.limit.other') + after;
  }
}

/** One sentence for a person: a limit by its name, anything else in the words of the service. */
export function useFailureText(): (thrown: unknown) => string {
  const t = useMessages({ zh, en });
  return (thrown) => {
    const failure = asFailure(thrown);
    if (failure.status === 429) {
      return limitText(failure, t);
    }
    return failure.status === 0 ? t('failure.network') : failure.message;
  };
}

const CLIENT_PARTS = ['kind', 'group', 'instanceName', 'clientAddr'] as const;

/** Clients that keep something from being removed, a line for each: `details.clients`. */
export function clientsOf(details: ApiFailure['details']): string[] {
  const { clients } = details;
  const rows: unknown[] = Array.isArray(clients) ? clients : [];
  return rows
    .filter((row): row is Record<string, unknown> => typeof row === 'object' && row !== null)
    .map((row) => CLIENT_PARTS.map((part) => row[part]).filter((text) => typeof text === 'string').join(' · '));
}

/** A failure where its data would be, with its code, its request and a way to go on. */
export function Failure({ error, onRetry, title }: { error: unknown; onRetry?: () => void; title?: string }) {
  const t = useMessages({ zh, en });
  const textOf = useFailureText();
  const failure = asFailure(error);
  const clients = clientsOf(failure.details);
  return (
    <Alert
      type={failure.status === 429 ? 'warning' : 'error'}
      showIcon
      role="alert"
      title={title ?? t('failure.title')}
      description={
        <>
          <div>{textOf(failure)}</div>
          {failure.isOutcomeUnknown && failure.status !== 0 && <div>{t('failure.outcomeUnknown')}</div>}
          {clients.length > 0 && (
            <>
              <div>{t('failure.clients', { total: Number(failure.details['total'] ?? clients.length) })}</div>
              <ul>
                {clients.map((client, at) => (
                  <li key={at}>{client}</li>
                ))}
              </ul>
            </>
          )}
          <small>
            {failure.code}
            {failure.requestId !== null && ` · ${t('failure.request', { id: failure.requestId })}`}
          </small>
        </>
      }
      action={
        onRetry && (
          <Button size="small" onClick={onRetry}>
            {t('state.retry')}
          </Button>
        )
      }
    />
  );
}
