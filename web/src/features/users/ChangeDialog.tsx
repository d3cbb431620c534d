import { useQueryClient } from '@tanstack/react-query';
import { Form, Input, Select } from 'antd';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { changeUser, usersKey, type User } from './calls';
import { en } from './en';
import { AttributeFields, TenantField, type Attributes } from './fields';
import { zh } from './zh';

/** Of no length that says anything. */
const MASKED = '••••••••••••';

/** 「修改应用用户」: its name, its instance and its secret stay. */
export default function ChangeDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { instance } = useInstance();
  const { accessKey, description, topics, ipAllow } = user;
  const save = async (values: Attributes) => {
    await changeUser(instance, accessKey, values);
    await queries.invalidateQueries({ queryKey: usersKey(instance) });
  };
  return (
    <FormDialog<Attributes>
      title={t('change.title')}
      initial={{ description, topics, ipAllow }}
      save={save}
      done={t('change.done')}
      onClose={onClose}
    >
      <TenantField tenantId={instance.tenantId} />
      <Form.Item label={t('cluster')} htmlFor="user-cluster">
        <Select id="user-cluster" disabled value={instance.id} options={[{ value: instance.id, label: instance.name }]} />
      </Form.Item>
      <Form.Item label={t('user')} htmlFor="user-name">
        <Input id="user-name" readOnly value={accessKey} />
      </Form.Item>
      <Form.Item label={t('password')} htmlFor="user-password" extra={t('password.locked')}>
        <Input id="user-password" readOnly value={MASKED} />
      </Form.Item>
      <AttributeFields instance={instance} />
    </FormDialog>
  );
}
