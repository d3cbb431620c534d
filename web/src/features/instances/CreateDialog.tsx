import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Form, Input, Select } from 'antd';
import { api, call } from '@/api/client';
import { instancesQuery, tenantsQuery } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { AttributeFields, brokerNames, type Attributes } from './fields';
import { zh } from './zh';

interface Values extends Attributes {
  tenantId: number;
  name: string;
}

const INITIAL: Partial<Values> = { plan: 'basic', brokers: 2, durability: 'local', timeZone: 'UTC+8', remark: '' };

/** A new instance of a tenant: its plan, and how its messages are kept. */
export default function CreateDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const tenants = useQuery(tenantsQuery).data ?? [];
  const save = async ({ brokers, retentionHours, ...values }: Values) => {
    const body = { ...values, brokers: brokerNames(brokers), ...(retentionHours == null ? {} : { retentionHours }) };
    await call(api.POST('/v1/instances', { body }));
    await queries.invalidateQueries({ queryKey: instancesQuery.queryKey });
  };
  return (
    <FormDialog<Values> title={t('create.title')} initial={INITIAL} save={save} done={t('create.done')} onClose={onClose}>
      <Form.Item name="tenantId" label={t('tenant')} rules={[{ required: true, message: t('tenant.missing') }]}>
        <Select
          showSearch={{ optionFilterProp: 'label' }}
          options={tenants.map(({ id, name }) => ({ value: id, label: `${name} (${id})` }))}
        />
      </Form.Item>
      <Form.Item
        name="name"
        label={t('name')}
        rules={[
          { required: true, message: t('name.missing') },
          { pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('name.hint') },
        ]}
      >
        <Input maxLength={64} placeholder={t('name.hint')} />
      </Form.Item>
      <AttributeFields />
    </FormDialog>
  );
}
