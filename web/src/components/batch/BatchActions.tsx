import { DownOutlined } from '@ant-design/icons';
import { Button, Dropdown, Flex, Typography } from 'antd';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import type { Instance } from '@/api/shared';
import { Failure } from '../Failure';
import { useMessages } from '../i18n';
import { usePerson } from '../session';
import { en } from './en';
import { download, exportPath, templatePath, type FileFormat, type Kind } from './files';
import { zh } from './zh';

const ImportDialog = lazy(() => import('./ImportDialog'));

interface Props {
  kind: Kind;
  instance: Instance;
  /** Where topics of a file are created; none is all brokers. */
  brokers: readonly string[];
  /** What is exported, as names or `name@broker`; none is all. */
  wanted: { names: readonly string[]; brokers: readonly string[] };
  /** How the page calls the file to fill in. */
  templateLabel: string;
  /** Something was made. */
  onDone: () => void;
  /** What else the page can do with several. */
  children?: ReactNode;
}

/** 「*批量操作」: 「批量创建」, the template, 「导出」. */
export function BatchActions({ kind, instance, brokers, wanted, templateLabel, onDone, children }: Props) {
  const t = useMessages({ zh, en });
  const { may } = usePerson();
  const [isImporting, setImporting] = useState(false);
  const [running, setRunning] = useState<'template' | 'export' | null>(null);
  const [error, setError] = useState<unknown>(null);
  const get = async (which: 'template' | 'export', path: string, otherwise: string) => {
    setRunning(which);
    setError(null);
    try {
      await download(path, otherwise);
    } catch (thrown) {
      setError(thrown);
    } finally {
      setRunning(null);
    }
  };
  const getExport = (format: FileFormat) =>
    void get('export', exportPath(instance, kind, format, wanted), `${kind}.${format}`);
  return (
    <Flex vertical gap="small" style={{ marginBottom: 16 }}>
      <Flex wrap gap="small" align="center" role="group" aria-label={t('batch')}>
        <Typography.Text>{t('batch')}</Typography.Text>
        {may.manage && (
          <Button autoInsertSpace={false} onClick={() => setImporting(true)}>
            {t('create')}
          </Button>
        )}
        <Button
          autoInsertSpace={false}
          loading={running === 'template'}
          onClick={() => void get('template', templatePath(instance, kind), `${kind}-template.csv`)}
        >
          {templateLabel}
        </Button>
        <Dropdown
          trigger={['click']}
          menu={{
            items: (['xlsx', 'csv'] as const).map((key) => ({ key, label: t(`export.${key}`) })),
            onClick: ({ key }) => getExport(key === 'csv' ? 'csv' : 'xlsx'),
          }}
        >
          <Button autoInsertSpace={false} loading={running === 'export'}>
            {t('export')} <DownOutlined aria-hidden />
          </Button>
        </Dropdown>
        {children}
      </Flex>
      {error !== null && <Failure error={error} />}
      <Suspense>
        {isImporting && (
          <ImportDialog
            kind={kind}
            instance={instance}
            brokers={brokers}
            onDone={onDone}
            onClose={() => setImporting(false)}
          />
        )}
      </Suspense>
    </Flex>
  );
}
