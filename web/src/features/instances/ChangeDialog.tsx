import { useQueryClient } from '@tanstack/react-query';
import { api, call } from '@/api/client';
import { instancesQuery, type Instance } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { AttributeFields, brokerNames, type Attributes } from './fields';
import { zh } from './zh';

/** Another plan or other attributes; brokers are only added. */
export default function ChangeDialog({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { plan, durability, retentionHours, timeZone, remark } = instance;
  const initial: Attributes = { plan, durability, retentionHours, timeZone, remark, brokers: instance.brokers.length };
  const save = async ({ brokers, ...values }: Attributes) => {
    const body = { ...values, brokers: brokerNames(brokers, instance.brokers) };
    await call(api.PATCH('/v1/instances/{instance}', { params: { path: { instance: instance.id } }, body }));
    await queries.invalidateQueries({ queryKey: instancesQuery.queryKey });
  };
  return (
    <FormDialog<Attributes>
      title={t('plan.change', { name: instance.name })}
      initial={initial}
      save={save}
      done={t('change.done')}
      onClose={onClose}
    >
      <AttributeFields brokersMin={instance.brokers.length} />
    </FormDialog>
  );
}
