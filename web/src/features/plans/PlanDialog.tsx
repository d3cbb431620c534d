import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Form, Input, InputNumber, Select } from 'antd';
import { api, call } from '@/api/client';
import { plansQuery, type Plan } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import type { Cap } from './Plans';
import { priceListsQuery } from './priceLists';
import { zh } from './zh';

const INITIAL: Partial<Plan> = {
  tps: 5000,
  topicTps: 5000,
  burstSeconds: 0.1,
  topics: 50,
  groups: 0,
  brokers: 0,
  storageGib: 200,
  retentionHours: 72,
  messageBytes: 524_288,
  connections: 0,
  priceList: 'standard',
};

const CAPS: readonly Cap[] = ['tps', 'topicTps', 'topics', 'groups', 'brokers', 'storageGib', 'connections'];

/** A new plan, which never changes afterwards. */
export default function PlanDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const lists = useQuery(priceListsQuery).data ?? [];
  const names = [...new Set(lists.map(({ name }) => name))];
  const save = async (body: Plan) => {
    await call(api.POST('/v1/plans', { body }));
    await queries.invalidateQueries({ queryKey: plansQuery.queryKey });
  };
  const number = (name: keyof Plan, label: string, min: number, max: number, precision: number, extra?: string) => (
    <Form.Item key={name} name={name} label={label} extra={extra} rules={[{ required: true, message: t('number.missing') }]}>
      <InputNumber style={{ width: '100%' }} min={min} max={max} precision={precision} />
    </Form.Item>
  );
  return (
    <FormDialog<Plan> title={t('create')} initial={INITIAL} save={save} done={t('create.done')} onClose={onClose} width={720}>
      <Form.Item
        name="name"
        label={t('name')}
        rules={[{ required: true, pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('name.hint') }]}
      >
        <Input maxLength={64} placeholder={t('name.hint')} autoFocus />
      </Form.Item>
      <div className="field-columns">
        {CAPS.map((cap) =>
          number(cap, t(cap === 'storageGib' ? 'storageField' : cap), 0, Number.MAX_SAFE_INTEGER, 0, t('zero.hint')),
        )}
        {number('burstSeconds', t('burstSeconds'), 0, 60, 3)}
        {number('retentionHours', t('retentionHours'), 1, 87_600, 0)}
        {number('messageBytes', t('messageBytes'), 1, 4_194_304, 0)}
        <Form.Item name="priceList" label={t('priceList')} rules={[{ required: true }]}>
          <Select options={names.map((value) => ({ value, label: value }))} />
        </Form.Item>
      </div>
    </FormDialog>
  );
}
