/** Fields of a user that making and changing it have in common. */
import { useQuery } from '@tanstack/react-query';
import { Form, Input, Select } from 'antd';
import { tenantsQuery, topicsQuery, type Instance } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { isDescription } from './rules';
import { zh } from './zh';

const TOPICS_MAX = 1000;
const ADDRESSES_MAX = 64;

export interface Attributes {
  description: string;
  topics: string[];
  ipAllow: string[];
}

export function useTenantName(tenantId: number): string {
  const tenants = useQuery(tenantsQuery).data ?? [];
  return tenants.find(({ id }) => id === tenantId)?.name ?? String(tenantId);
}

/** 「租户名」, which is that of the instance. */
export function TenantField({ tenantId }: { tenantId: number }) {
  const t = useMessages({ zh, en });
  return (
    <Form.Item label={t('tenant')} htmlFor="user-tenant">
      <Input id="user-tenant" readOnly value={useTenantName(tenantId)} />
    </Form.Item>
  );
}

export function AttributeFields({ instance }: { instance: Instance }) {
  const t = useMessages({ zh, en });
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  return (
    <>
      <Form.Item
        name="description"
        label={t('description')}
        rules={[
          {
            validator: (_, value: string | undefined) =>
              isDescription(value ?? '') ? Promise.resolve() : Promise.reject(new Error(t('description.long'))),
          },
        ]}
      >
        <Input.TextArea rows={2} />
      </Form.Item>
      <Form.Item name="topics" label={t('topics')} extra={t('topics.hint')}>
        <Select
          mode="multiple"
          allowClear
          maxCount={TOPICS_MAX}
          showSearch={{ optionFilterProp: 'label' }}
          options={topics.map(({ name }) => ({ value: name, label: name }))}
        />
      </Form.Item>
      <Form.Item name="ipAllow" label={t('ipAllow')} extra={t('ipAllow.hint')}>
        <Select mode="tags" allowClear maxCount={ADDRESSES_MAX} open={false} tokenSeparators={[',', ' ']} />
      </Form.Item>
    </>
  );
}
