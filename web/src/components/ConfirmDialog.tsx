import { Input, Modal, type InputRef } from 'antd';
import { useRef, useState } from 'react';
import type { Question } from './Confirm';
import { Failure } from './Failure';
import { en } from './en';
import { useMessages } from './i18n';
import { useNotice } from './notice';
import { zh } from './zh';

/** Asks a question of `useConfirm`. */
export default function ConfirmDialog({ question, onClose }: { question: Question; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  const input = useRef<InputRef>(null);
  const [typed, setTyped] = useState('');
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { typeName } = question;
  const mayRun = typeName === undefined || typed === typeName;
  const run = async () => {
    setRunning(true);
    setError(null);
    try {
      const note = await question.run();
      notify(typeof note === 'string' ? note : (question.done ?? t('dialog.done')));
      onClose();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setRunning(false);
    }
  };
  return (
    <Modal
      open
      title={question.title ?? t('dialog.title')}
      okText={t('dialog.confirm')}
      cancelText={t('dialog.cancel')}
      okButtonProps={{ danger: true, disabled: !mayRun, autoInsertSpace: false }}
      cancelButtonProps={{ disabled: running, autoInsertSpace: false }}
      confirmLoading={running}
      closable={{ 'aria-label': t('dialog.close') }}
      onOk={run}
      onCancel={onClose}
      afterOpenChange={() => input.current?.focus()}
    >
      <p>{question.text}</p>
      {typeName !== undefined && (
        <label>
          <p>{t('dialog.typeName', { name: typeName })}</p>
          <Input
            value={typed}
            ref={input}
            autoComplete="off"
            onChange={(event) => setTyped(event.target.value)}
            onPressEnter={() => mayRun && !running && void run()}
          />
        </label>
      )}
      {error !== null && <Failure error={error} />}
    </Modal>
  );
}
