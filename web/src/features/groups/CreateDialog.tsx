import { useQueryClient } from '@tanstack/react-query';
import { Checkbox, Form, Input, Radio, Select } from 'antd';
import { api, managed } from '@/api/client';
import { groupsQuery } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { en } from './en';
import { isRemark, type Permissions } from './groups';
import { PermissionField } from './PermissionField';
import { zh } from './zh';

interface Values {
  name: string;
  remark?: string;
  start: '1' | '2' | '3';
  mechanism: '1' | '2';
  isEnabled: boolean;
  permissions: Permissions;
}

const INITIAL: Partial<Values> = { remark: '', start: '1', mechanism: '1', isEnabled: true, permissions: {} };

/** 「新建订阅组」. A group is on every broker, so the brokers are shown and not asked for. */
export default function CreateDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { instance, management } = useInstance();
  const save = async ({ name, remark, start, mechanism, isEnabled, permissions }: Values) => {
    const body = {
      clusterNameList: [instance.name],
      brokerNameList: instance.brokers,
      remark: remark ?? '',
      subscriptionGroupConfig: {
        groupName: name,
        consumeEnable: isEnabled,
        firstConsumeMechanism: start,
        pullMechanism: mechanism,
        subscribeMap: permissions,
      },
    };
    const { clusterName, tenantId } = management;
    const params = { path: { clusterName }, query: { tenantId } };
    await managed(api.POST('/api/manager/subscriptions/{clusterName}', { params, body }));
    await queries.invalidateQueries({ queryKey: groupsQuery(instance).queryKey });
  };
  return (
    <FormDialog<Values> title={t('create.title')} initial={INITIAL} save={save} done={t('create.done')} onClose={onClose}>
      <Form.Item label={t('instance')} htmlFor="group-instance">
        <Input id="group-instance" value={instance.name} disabled />
      </Form.Item>
      <Form.Item
        name="name"
        label={t('groupName')}
        rules={[
          { required: true, message: t('groupName.missing') },
          { pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('groupName.hint') },
        ]}
      >
        <Input maxLength={64} autoComplete="off" placeholder={t('groupName.hint')} />
      </Form.Item>
      <Form.Item
        name="remark"
        label={t('remark')}
        rules={[
          {
            validator: (_, text?: string) =>
              isRemark(text) ? Promise.resolve() : Promise.reject(new Error(t('remark.long'))),
          },
        ]}
      >
        <Input.TextArea rows={2} />
      </Form.Item>
      <Form.Item label={t('broker')} extra={t('broker.note')}>
        <Checkbox checked disabled>
          {t('broker.all')}
        </Checkbox>
        {instance.brokers.map((name) => (
          <Checkbox key={name} checked disabled>
            {name}
          </Checkbox>
        ))}
      </Form.Item>
      <Form.Item name="start" label={t('start')}>
        <Select options={(['1', '2', '3'] as const).map((value) => ({ value, label: t(`start.${value}`) }))} />
      </Form.Item>
      <Form.Item name="mechanism" label={t('mechanism')}>
        <Select options={(['1', '2'] as const).map((value) => ({ value, label: t(`mechanism.${value}`) }))} />
      </Form.Item>
      <Form.Item name="isEnabled" label={t('enabled')}>
        <Radio.Group
          options={[
            { value: true, label: t('yes') },
            { value: false, label: t('no') },
          ]}
        />
      </Form.Item>
      <Form.Item name="permissions" label={t('permissions')}>
        <PermissionField />
      </Form.Item>
    </FormDialog>
  );
}
