import { useQueryClient } from '@tanstack/react-query';
import { Form, Input, InputNumber } from 'antd';
import { api, call } from '@/api/client';
import { tenantsQuery, type Tenant } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

/** A new tenant, or another name for `tenant`; its number stays. */
export default function TenantDialog({ tenant, onClose }: { tenant: Tenant | null; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const save = async ({ id, name }: Tenant) => {
    await (tenant === null
      ? call(api.POST('/v1/tenants', { body: { id, name } }))
      : call(api.PATCH('/v1/tenants/{tenant}', { params: { path: { tenant: String(tenant.id) } }, body: { name } })));
    await queries.invalidateQueries({ queryKey: tenantsQuery.queryKey });
  };
  return (
    <FormDialog<Tenant>
      title={tenant === null ? t('create') : t('change.title', { name: tenant.name })}
      initial={tenant ?? {}}
      save={save}
      done={t(tenant === null ? 'create.done' : 'change.done')}
      onClose={onClose}
    >
      <Form.Item name="id" label={t('id')} rules={[{ required: true, message: t('id.hint') }]} extra={t('id.hint')}>
        <InputNumber
          style={{ width: '100%' }}
          min={1}
          max={Number.MAX_SAFE_INTEGER}
          precision={0}
          controls={false}
          autoFocus={tenant === null}
          disabled={tenant !== null}
        />
      </Form.Item>
      <Form.Item
        name="name"
        label={t('name')}
        rules={[{ required: true, pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('name.hint') }]}
      >
        <Input maxLength={64} placeholder={t('name.hint')} autoFocus={tenant !== null} />
      </Form.Item>
    </FormDialog>
  );
}
