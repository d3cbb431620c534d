import { Alert, Button } from 'antd';
import { usePoll } from '@/api/poll';
import { saveFile } from '@/components/download';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages, type Translate } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { Status } from '@/components/Status';
import { en } from './en';
import { findRemovals, type Removal } from './removals';
import { zh } from './zh';

const STATES = { erased: 'good', pending: 'waiting', removed: 'plain' } as const;

function download(removal: Removal): void {
  const content = new Blob([`${JSON.stringify(removal.evidence, null, 2)}\n`], { type: 'application/json' });
  saveFile(content, `removal-${removal.kind}-${removal.object}.json`);
}

function columnsOf(t: Translate<typeof zh>, second: (ms: number | null) => string): Columns<Removal> {
  return [
    { key: 'at', title: t('removal.at'), render: (_, { at }) => second(at) },
    { key: 'tenant', title: t('id'), render: (_, { tenant }) => tenant ?? '-' },
    { key: 'kind', title: t('removal.kind'), render: (_, { kind }) => t(`removal.${kind}`) },
    { key: 'object', title: t('removal.object'), dataIndex: 'object' },
    { key: 'name', title: t('removal.name'), dataIndex: 'name' },
    { key: 'caller', title: t('removal.caller'), dataIndex: 'caller' },
    {
      key: 'state',
      title: t('removal.state'),
      render: (_, { state }) => <Status is={STATES[state]}>{t(`removal.${state}`)}</Status>,
    },
    { key: 'erasedAt', title: t('removal.erasedAt'), render: (_, { erasedAt }) => second(erasedAt) },
    { key: 'objects', title: t('removal.objects'), align: 'right', render: (_, { objects }) => objects ?? '-' },
    { key: 'bytes', title: t('removal.bytes'), align: 'right', render: (_, { bytes }) => bytes ?? '-' },
    {
      key: 'actions',
      title: t('actions'),
      render: (_, removal) => (
        <Button
          type="link"
          size="small"
          aria-label={`${t('removal.download')} ${removal.name}`}
          onClick={() => download(removal)}
        >
          {t('removal.download')}
        </Button>
      ),
    },
  ];
}

/** 「删除证明」: what is gone, and that its data is. Of one tenant, or of all. */
export function Removals({ tenant }: { tenant: number | null }) {
  const t = useMessages({ zh, en });
  const { second } = useTimes();
  const query = usePoll({ queryKey: ['removals', tenant], queryFn: () => findRemovals(tenant) });
  return (
    <>
      <Alert type="info" style={{ marginBottom: 16 }} title={t('removals.note')} />
      <GuideTable
        name={t('removals')}
        columns={columnsOf(t, second)}
        rowKey={({ kind, object, at }) => `${kind}/${object}/${at}`}
        query={query}
        rows={query.data ?? []}
      />
    </>
  );
}
