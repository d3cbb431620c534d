import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Form, Input, Select } from 'antd';
import { instancesQuery } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { createUser, usersKey, type User } from './calls';
import { en } from './en';
import { AttributeFields, TenantField, type Attributes } from './fields';
import { NAME, SECRET } from './rules';
import { zh } from './zh';

interface Values extends Attributes {
  cluster: string;
  accessKey: string;
  password?: string;
}

interface Props {
  onClose: () => void;
  /** With the secret, if the service made it: it is to be shown once. */
  onMade: (user: User) => void;
}

/** 「新建应用用户」 of an instance of the page's tenant. */
export default function CreateDialog({ onClose, onMade }: Props) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { instance } = useInstance();
  const all = useQuery(instancesQuery).data ?? [instance];
  const own = all.filter(({ tenantId }) => tenantId === instance.tenantId);
  const initial = { cluster: instance.id, description: '', topics: [], ipAllow: [] };
  const save = async ({ cluster, password, ...values }: Values) => {
    const target = own.find(({ id }) => id === cluster) ?? instance;
    const isGiven = password !== undefined && password !== '';
    const made = await createUser(target, { ...values, ...(isGiven ? { secretKey: password } : {}) });
    await queries.invalidateQueries({ queryKey: usersKey(target) });
    if (!isGiven) {
      onMade(made);
    }
  };
  return (
    <FormDialog<Values> title={t('create.title')} initial={initial} save={save} done={t('create.done')} onClose={onClose}>
      <TenantField tenantId={instance.tenantId} />
      <Form.Item name="cluster" label={t('cluster')} rules={[{ required: true }]}>
        <Select options={own.map(({ id, name }) => ({ value: id, label: name }))} />
      </Form.Item>
      <Form.Item
        name="accessKey"
        label={t('user')}
        rules={[
          { required: true, message: t('name.missing') },
          { pattern: NAME, message: t('name.hint') },
        ]}
      >
        <Input maxLength={64} autoFocus autoComplete="off" placeholder={t('name.hint')} />
      </Form.Item>
      <Form.Item
        name="password"
        label={t('password')}
        extra={t('password.hint')}
        rules={[{ pattern: SECRET, message: t('password.wrong') }]}
      >
        <Input.Password maxLength={128} autoComplete="new-password" />
      </Form.Item>
      <Form.Item noStyle dependencies={['cluster']}>
        {({ getFieldValue }) => (
          <AttributeFields instance={own.find(({ id }) => id === getFieldValue('cluster')) ?? instance} />
        )}
      </Form.Item>
    </FormDialog>
  );
}
