import { useQueryClient } from '@tanstack/react-query';
import { Descriptions, Form, Typography } from 'antd';
import { api, call } from '@/api/client';
import { groupsQuery } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { en } from './en';
import { permissionsOf, type GroupRow, type Permissions } from './groups';
import { PermissionField } from './PermissionField';
import { mechanismText, startText } from './texts';
import { zh } from './zh';

/** 「修改订阅组」: the topic permissions, and nothing else. */
export default function ChangeDialog({ group, onClose }: { group: GroupRow; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { instance } = useInstance();
  const save = async ({ permissions }: { permissions: Permissions }) => {
    const params = { path: { instance: instance.id, group: group.groupName } };
    const body = { subscriptions: permissions };
    await call(api.PATCH('/v1/instances/{instance}/groups/{group}', { params, body }));
    await queries.invalidateQueries({ queryKey: groupsQuery(instance).queryKey });
  };
  const locked = [
    [t('instance'), instance.name],
    [t('groupName'), group.groupName],
    [t('remark'), group.remark ?? '-'],
    [t('broker'), instance.brokers.join(', ')],
    [t('start'), startText(group, t)],
    [t('mechanism'), mechanismText(group, t)],
    [t('enabled'), group.consumeEnable ? t('yes') : t('no')],
  ] as const;
  return (
    <FormDialog<{ permissions: Permissions }>
      title={t('change.title')}
      initial={{ permissions: permissionsOf(group) }}
      save={save}
      done={t('change.done')}
      onClose={onClose}
    >
      <Descriptions
        size="small"
        column={1}
        bordered
        items={locked.map(([label, children]) => ({ key: label, label, children }))}
      />
      <Typography.Paragraph style={{ marginBlock: 12 }}>{t('change.note')}</Typography.Paragraph>
      <Form.Item name="permissions" label={t('permissions')}>
        <PermissionField />
      </Form.Item>
    </FormDialog>
  );
}
