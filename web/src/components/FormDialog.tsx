import { Form, Modal } from 'antd';
import { useRef, useState, type ReactNode } from 'react';
import { Failure } from './Failure';
import { en } from './en';
import { useMessages } from './i18n';
import { useNotice } from './notice';
import { zh } from './zh';

interface Props<Values extends object> {
  title: string;
  initial: Partial<Values>;
  /** Saves it; a failure is shown in the dialog, which stays open. A text is the note afterwards. */
  save: (values: Values) => Promise<unknown>;
  onClose: () => void;
  /** 「保存」 unless told. */
  okText?: string;
  done?: string;
  width?: number;
  /** `Form.Item`s. */
  children: ReactNode;
}

/** A form in a dialog with 「保存」 and 「取消」. Render it when it is to be open. */
export function FormDialog<Values extends object>(props: Props<Values>) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  const [form] = Form.useForm<Values>();
  const place = useRef<HTMLDivElement>(null);
  const focusFirst = () => place.current?.querySelector<HTMLElement>('input:enabled, textarea:enabled')?.focus();
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const save = async (values: Values) => {
    setSaving(true);
    setError(null);
    try {
      const note = await props.save(values);
      notify(typeof note === 'string' ? note : (props.done ?? t('dialog.done')));
      props.onClose();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setSaving(false);
    }
  };
  return (
    <Modal
      open
      title={props.title}
      width={props.width ?? 560}
      okText={props.okText ?? t('dialog.save')}
      cancelText={t('dialog.cancel')}
      okButtonProps={{ autoInsertSpace: false }}
      cancelButtonProps={{ autoInsertSpace: false }}
      confirmLoading={saving}
      closable={{ 'aria-label': t('dialog.close') }}
      mask={{ closable: false }}
      onOk={() => form.submit()}
      onCancel={props.onClose}
      afterOpenChange={focusFirst}
    >
      <div ref={place}>
        <Form<Values>
          form={form}
          layout="vertical"
          initialValues={props.initial}
          onFinish={(values) => void save(values)}
          scrollToFirstError
        >
          {props.children}
          {/* Enter in a field saves. */}
          <button type="submit" hidden disabled={saving} />
        </Form>
      </div>
      {error !== null && <Failure error={error} />}
    </Modal>
  );
}
