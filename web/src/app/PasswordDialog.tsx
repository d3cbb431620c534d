import { Form, Input } from 'antd';
import { api, call } from '@/api/client';
import { logOut } from '@/api/session';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { usePerson } from '@/components/session';
import { en } from './en';
import { zh } from './zh';

interface Values {
  password: string;
  again: string;
}

/** A new password for oneself, which ends all logins of before. */
export default function PasswordDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { person } = usePerson();
  const bytes = (value: string | undefined) => new TextEncoder().encode(value).length;
  const save = async ({ password }: Values) => {
    const path = { tenant: String(person.tenant), username: person.username };
    await call(api.PATCH('/v1/tenants/{tenant}/users/{username}', { params: { path }, body: { password } }));
    await logOut();
  };
  return (
    <FormDialog<Values> title={t('header.password')} initial={{}} save={save} onClose={onClose}>
      <p>{t('password.note')}</p>
      <Form.Item
        name="password"
        label={t('password.new')}
        extra={t('password.bytes')}
        rules={[
          {
            required: true,
            message: t('password.bytes'),
            validator: (_, value: string | undefined) =>
              bytes(value) >= 8 && bytes(value) <= 256 ? Promise.resolve() : Promise.reject(new Error(t('password.bytes'))),
          },
        ]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Form.Item
        name="again"
        label={t('password.again')}
        dependencies={['password']}
        rules={[
          ({ getFieldValue }) => ({
            required: true,
            validator: (_, value) =>
              value === getFieldValue('password') ? Promise.resolve() : Promise.reject(new Error(t('password.differs'))),
          }),
        ]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
    </FormDialog>
  );
}
