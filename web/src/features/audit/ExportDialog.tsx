import { Button, Modal, Progress } from 'antd';
import { useEffect, useState } from 'react';
import type { AuditFilter } from '@/api/audit';
import { raw } from '@/api/client';
import { saveFile } from '@/components/download';
import { Failure } from '@/components/Failure';
import { useMessages } from '@/components/i18n';
import { useNotice } from '@/components/notice';
import { en } from './en';
import { exportAll, exportPath } from './exportRows';
import { zh } from './zh';

interface Props {
  filter: AuditFilter;
  /** How many rows there are; `null` when there are more than are counted. */
  total: number | null;
  onClose: () => void;
}

/** Fetches all rows of a filter, shows how far it is, and has the browser keep them. */
export default function ExportDialog({ filter, total, onClose }: Props) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  const [rows, setRows] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    const page = async (cursor: string | null) => {
      const response = await raw(exportPath(filter, cursor), { headers: { accept: 'text/csv' }, signal });
      return { text: await response.text(), cursor: response.headers.get('firn-cursor') };
    };
    exportAll(page, setRows, signal)
      .then((parts) => {
        signal.throwIfAborted();
        saveFile(new Blob(parts, { type: 'text/csv' }), 'audit.csv');
        notify(t('export.done'));
        onClose();
      })
      .catch((thrown: unknown) => {
        if (!signal.aborted) {
          setError(thrown);
        }
      });
    return () => control.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- one run for each attempt, whatever is drawn meanwhile
  }, [attempt]);
  const retry = () => {
    setError(null);
    setRows(0);
    setAttempt(attempt + 1);
  };
  const percent = total === null || total === 0 ? 0 : Math.min(100, Math.round((rows / total) * 100));
  return (
    <Modal
      open
      title={t('export.title')}
      closable={{ 'aria-label': t('close') }}
      mask={{ closable: false }}
      onCancel={onClose}
      footer={
        <Button autoInsertSpace={false} onClick={onClose}>
          {t('export.stop')}
        </Button>
      }
    >
      <Progress aria-label={t('export.title')} percent={percent} showInfo={total !== null} status={error === null ? 'active' : 'exception'} />
      <p role="status">{total === null ? t('export.unknown', { done: rows }) : t('export.progress', { done: rows, total })}</p>
      {error !== null && <Failure error={error} onRetry={retry} />}
    </Modal>
  );
}
