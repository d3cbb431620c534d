import { InboxOutlined } from '@ant-design/icons';
import { Alert, Button, Flex, Modal, Progress, Spin, Table, Typography, Upload } from 'antd';
import { useEffect, useState } from 'react';
import type { Instance } from '@/api/shared';
import { Failure } from '../Failure';
import { useMessages } from '../i18n';
import { useTablePlace } from '../tables';
import { en } from './en';
import { countOf, fileFault, upload, type Imported, type Kind } from './files';
import { zh } from './zh';

interface Props {
  kind: Kind;
  instance: Instance;
  /** Of topics; none is all. */
  brokers: readonly string[];
  /** Something was made. */
  onDone: () => void;
  onClose: () => void;
}

type Stage =
  | { at: 'choose'; fault?: 'type' | 'empty' | 'large'; error?: unknown }
  | { at: 'checking' }
  | { at: 'checked'; file: File; result: Imported }
  | { at: 'creating'; before: number; expected: number }
  | { at: 'done'; result: Imported };

const COUNT_EVERY_MS = 1000;

/** 「批量创建」: a file is chosen, checked, and what is good in it created. */
export default function ImportDialog({ kind, instance, brokers, onDone, onClose }: Props) {
  const t = useMessages({ zh, en });
  const [stage, setStage] = useState<Stage>({ at: 'choose' });
  const isBusy = stage.at === 'checking' || stage.at === 'creating';

  const check = async (file: File) => {
    const fault = fileFault(file);
    if (fault !== null) {
      setStage({ at: 'choose', fault });
      return;
    }
    setStage({ at: 'checking' });
    try {
      setStage({ at: 'checked', file, result: await upload({ instance, kind, file, brokers, dryRun: true }) });
    } catch (error) {
      setStage({ at: 'choose', error });
    }
  };
  const create = async (file: File, expected: number) => {
    setStage({ at: 'checking' });
    try {
      setStage({ at: 'creating', before: await countOf(instance, kind), expected });
      const result = await upload({ instance, kind, file, brokers, dryRun: false });
      setStage({ at: 'done', result });
    } catch (error) {
      setStage({ at: 'choose', error });
    } finally {
      // A failure does not tell that nothing was made.
      onDone();
    }
  };

  const again = (
    <Button key="again" autoInsertSpace={false} onClick={() => setStage({ at: 'choose' })}>
      {t('import.again')}
    </Button>
  );
  const close = (
    <Button key="close" autoInsertSpace={false} disabled={isBusy} onClick={onClose}>
      {t('close')}
    </Button>
  );
  const footer =
    stage.at === 'checked'
      ? [
          again,
          <Button
            key="start"
            type="primary"
            autoFocus
            disabled={stage.result.created.length === 0}
            onClick={() => void create(stage.file, stage.result.created.length)}
          >
            {t('import.start')}
          </Button>,
        ]
      : [close];
  return (
    <Modal
      open
      title={t('create')}
      width={720}
      footer={footer}
      closable={{ 'aria-label': t('close'), disabled: isBusy }}
      keyboard={!isBusy}
      mask={{ closable: false }}
      onCancel={onClose}
    >
      <Flex vertical gap="middle">
        {stage.at === 'choose' && (
          <>
            <Upload.Dragger
              accept=".csv,.xlsx"
              showUploadList={false}
              beforeUpload={(file) => {
                void check(file);
                return false;
              }}
            >
              <InboxOutlined style={{ fontSize: 32 }} />
              <p>{t('import.choose')}</p>
            </Upload.Dragger>
            <Typography.Text>{t('import.hint')}</Typography.Text>
            {kind === 'topics' && (
              <Typography.Text>
                {brokers.length === 0
                  ? t('import.brokers.all')
                  : t('import.brokers', { brokers: brokers.join(', ') })}
              </Typography.Text>
            )}
            {stage.fault !== undefined && <Alert type="error" showIcon role="alert" title={t(`import.${stage.fault}`)} />}
            {stage.error !== undefined && <Failure error={stage.error} />}
          </>
        )}
        {stage.at === 'checking' && (
          <Flex gap="small" align="center" role="status">
            <Spin /> {t('import.checking')}
          </Flex>
        )}
        {stage.at === 'checked' && (
          <>
            <Alert
              type={stage.result.failed > 0 ? 'warning' : 'info'}
              showIcon
              role="status"
              title={t('import.checked', counts(stage.result))}
              description={stage.result.created.length === 0 ? t('import.nothing') : undefined}
            />
            <Lines result={stage.result} />
          </>
        )}
        {stage.at === 'creating' && <Creating kind={kind} instance={instance} {...stage} />}
        {stage.at === 'done' && (
          <>
            <Alert
              type={stage.result.failed > 0 ? 'warning' : 'success'}
              showIcon
              role="status"
              title={t('import.done', counts(stage.result))}
            />
            <Lines result={stage.result} />
          </>
        )}
      </Flex>
    </Modal>
  );
}

function counts({ lines, created, failed }: Imported) {
  return { lines, created: created.length, failed };
}

/** How far the service is, told by how many there are. */
function Creating({ kind, instance, before, expected }: Pick<Props, 'kind' | 'instance'> & { before: number; expected: number }) {
  const t = useMessages({ zh, en });
  const [made, setMade] = useState(0);
  useEffect(() => {
    let isOver = false;
    const look = () => {
      countOf(instance, kind).then(
        (count) => !isOver && setMade(Math.min(Math.max(count - before, 0), expected)),
        // It is only what is shown; the answer of the upload counts.
        () => undefined,
      );
    };
    const timer = setInterval(look, COUNT_EVERY_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [instance, kind, before, expected]);
  return (
    <div>
      <div role="status">{t('import.creating', { made, expected })}</div>
      <Progress
        aria-label={t('import.progress')}
        status="active"
        percent={Math.floor((100 * made) / Math.max(expected, 1))}
      />
    </div>
  );
}

/** The lines that make nothing, and columns without meaning. */
function Lines({ result }: { result: Imported }) {
  const t = useMessages({ zh, en });
  const place = useTablePlace();
  const { errors, ignoredColumns } = result;
  return (
    <>
      {ignoredColumns.length > 0 && (
        <Typography.Text type="secondary">
          {t('import.ignored', { columns: ignoredColumns.join(', ') })}
        </Typography.Text>
      )}
      {errors.length > 0 && (
        <section ref={place} aria-label={t('import.bad')}>
          <Table
            size="small"
            bordered
            rowKey={(error) => `${error.line} ${error.reason}`}
            dataSource={errors}
            pagination={errors.length > 10 ? { pageSize: 10, showSizeChanger: false, size: 'small' } : false}
            scroll={{ x: 'max-content' }}
            columns={[
              { key: 'line', title: t('import.line'), dataIndex: 'line' },
              { key: 'name', title: t('import.name'), dataIndex: 'name' },
              { key: 'reason', title: t('import.reason'), dataIndex: 'reason' },
            ]}
          />
        </section>
      )}
    </>
  );
}
