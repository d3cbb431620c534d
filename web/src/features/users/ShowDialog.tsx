import { Form, Input } from 'antd';
import { ApiFailure, asFailure } from '@/api/failure';
import { confirmPassword } from '@/api/session';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { usePerson } from '@/components/session';
import { secretOf } from './calls';
import { en } from './en';
import { zh } from './zh';

interface Props {
  accessKey: string;
  onShown: (secretKey: string) => void;
  onClose: () => void;
}

/** Before a secret is shown: is it still the same person who sits here? */
export default function ShowDialog({ accessKey, onShown, onClose }: Props) {
  const t = useMessages({ zh, en });
  const { person } = usePerson();
  const { instance } = useInstance();
  const show = async ({ password }: { password: string }) => {
    try {
      await confirmPassword(password);
    } catch (thrown) {
      const { status, code, requestId } = asFailure(thrown);
      throw status === 401 ? new ApiFailure(status, code, t('show.wrong'), requestId) : thrown;
    }
    onShown(await secretOf(instance, accessKey));
  };
  return (
    <FormDialog<{ password: string }>
      title={t('show.title')}
      initial={{}}
      save={show}
      okText={t('show')}
      done={t('show.done')}
      onClose={onClose}
    >
      <p>{t('show.text', { name: person.username })}</p>
      <Form.Item
        name="password"
        label={t('show.password')}
        rules={[{ required: true, message: t('show.missing') }]}
      >
        <Input.Password autoFocus autoComplete="current-password" />
      </Form.Item>
    </FormDialog>
  );
}
