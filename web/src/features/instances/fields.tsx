/** Fields that making and changing an instance have in common. */
import { useQuery } from '@tanstack/react-query';
import { Form, Input, InputNumber, Select } from 'antd';
import { plansQuery, type Schemas } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

export interface Attributes {
  plan: string;
  brokers: number;
  durability: Schemas['DurabilityWord'];
  retentionHours?: number | null;
  timeZone: string;
  remark: string;
}

const BROKERS_MAX = 26;

/** Brokers have the letters of the alphabet for names; those that exist keep theirs. */
export function brokerNames(count: number, existing: readonly string[] = []): string[] {
  const letters = Array.from({ length: BROKERS_MAX }, (_, at) => String.fromCharCode('a'.charCodeAt(0) + at));
  const added = letters.filter((letter) => !existing.includes(letter)).slice(0, Math.max(0, count - existing.length));
  return [...existing, ...added];
}

export function AttributeFields({ brokersMin = 1 }: { brokersMin?: number }) {
  const t = useMessages({ zh, en });
  const plans = useQuery(plansQuery).data ?? [];
  return (
    <>
      <Form.Item name="plan" label={t('type')} rules={[{ required: true }]}>
        <Select options={plans.map(({ name }) => ({ value: name, label: name }))} />
      </Form.Item>
      <Form.Item name="brokers" label={t('brokers')} rules={[{ required: true }]}>
        <InputNumber min={brokersMin} max={BROKERS_MAX} precision={0} />
      </Form.Item>
      <Form.Item name="durability" label={t('durability')}>
        <Select
          options={(['local', 'object'] as const).map((value) => ({ value, label: t(`durability.${value}`) }))}
        />
      </Form.Item>
      <Form.Item name="retentionHours" label={t('retention')}>
        <InputNumber min={1} max={87_600} precision={0} placeholder="72" />
      </Form.Item>
      <Form.Item name="timeZone" label={t('zone')} rules={[{ required: true }]}>
        <Input maxLength={64} placeholder="UTC+8" />
      </Form.Item>
      <Form.Item name="remark" label={t('remark')}>
        <Input.TextArea rows={2} />
      </Form.Item>
    </>
  );
}
