import { useQueryClient } from '@tanstack/react-query';
import { Form, Input, Select } from 'antd';
import { api, call } from '@/api/client';
import type { Schemas } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { isName, isPassword } from './rules';
import { zh } from './zh';

export type User = Schemas['PersonJson'];

interface Values extends User {
  password: string;
  again: string;
}

/** A new user, another role, or another password. */
export type Task = { is: 'create' } | { is: 'role' | 'reset'; user: User };

function RoleField() {
  const t = useMessages({ zh, en });
  return (
    <Form.Item name="role" label={t('role')} rules={[{ required: true }]}>
      <Select options={(['admin', 'viewer'] as const).map((value) => ({ value, label: t(`role.${value}`) }))} />
    </Form.Item>
  );
}

function PasswordFields() {
  const t = useMessages({ zh, en });
  const fault = (isFine: boolean, text: string) => (isFine ? Promise.resolve() : Promise.reject(new Error(text)));
  return (
    <>
      <Form.Item
        name="password"
        label={t('password')}
        extra={t('password.bytes')}
        rules={[{ required: true, validator: (_, value: string | undefined) => fault(isPassword(value), t('password.bytes')) }]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Form.Item
        name="again"
        label={t('again')}
        dependencies={['password']}
        rules={[
          ({ getFieldValue }) => ({
            required: true,
            validator: (_, value) => fault(value === getFieldValue('password'), t('password.differs')),
          }),
        ]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
    </>
  );
}

export default function UserDialog({ task, tenant, onClose }: { task: Task; tenant: number; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const save = async ({ username, role, password }: Values) => {
    const change = (body: Schemas['PersonForm'], user: User) => {
      const path = { tenant: String(tenant), username: user.username };
      return call(api.PATCH('/v1/tenants/{tenant}/users/{username}', { params: { path }, body }));
    };
    if (task.is === 'create') {
      const params = { path: { tenant: String(tenant) } };
      await call(api.POST('/v1/tenants/{tenant}/users', { params, body: { username, role, password } }));
    } else {
      await change(task.is === 'role' ? { role } : { password }, task.user);
    }
    await queries.invalidateQueries({ queryKey: ['people', tenant] });
  };
  const name = task.is === 'create' ? '' : task.user.username;
  const texts = {
    create: { title: t('user.create'), done: t('user.created') },
    role: { title: t('role.title', { name }), done: t('role.done') },
    reset: { title: t('reset.title', { name }), done: t('reset.done') },
  }[task.is];
  const initial: Partial<Values> = { role: task.is === 'role' ? task.user.role : 'viewer' };
  return (
    <FormDialog<Values> title={texts.title} done={texts.done} initial={initial} save={save} onClose={onClose}>
      {task.is === 'create' && (
        <Form.Item
          name="username"
          label={t('username')}
          rules={[
            {
              required: true,
              validator: (_, value: string | undefined) =>
                isName(value ?? '') ? Promise.resolve() : Promise.reject(new Error(t('name.hint'))),
            },
          ]}
        >
          <Input maxLength={64} autoComplete="off" autoFocus placeholder={t('name.hint')} />
        </Form.Item>
      )}
      {task.is === 'reset' && <p>{t('reset.note')}</p>}
      {task.is !== 'reset' && <RoleField />}
      {task.is !== 'role' && <PasswordFields />}
    </FormDialog>
  );
}
