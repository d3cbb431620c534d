/** Fields that the three ways to find messages share. */
import { useQuery } from '@tanstack/react-query';
import { AutoComplete, Form, Input, Select } from 'antd';
import { groupsQuery, topicsQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { isPlace, isReadableId } from './ids';
import { en } from './en';
import { zh } from './zh';

const matching = (input: string, option: { value: string } | undefined) =>
  option?.value.toLowerCase().includes(input.toLowerCase()) ?? false;

/** Any name: dead letters are in topics that no list has. */
export function TopicField({ required }: { required: boolean }) {
  const t = useMessages({ zh, en });
  const topics = useQuery(topicsQuery(useInstance().instance)).data ?? [];
  return (
    <Form.Item name="topic" label={t('topic')} rules={[{ required, whitespace: true }]}>
      <AutoComplete
        className="filter-field"
        allowClear
        placeholder={t('topic.hint')}
        options={topics.map(({ name }) => ({ value: name }))}
        showSearch={{ filterOption: matching }}
      />
    </Form.Item>
  );
}

export function GroupField() {
  const t = useMessages({ zh, en });
  const groups = useQuery(groupsQuery(useInstance().instance)).data ?? [];
  return (
    <Form.Item name="group" label={t('group')}>
      <AutoComplete
        className="filter-field"
        allowClear
        placeholder={t('group.hint')}
        options={groups.map(({ name }) => ({ value: name }))}
        showSearch={{ filterOption: matching }}
      />
    </Form.Item>
  );
}

export function KeyField() {
  const t = useMessages({ zh, en });
  return (
    <Form.Item name="key" label={t('key')} rules={[{ required: true, whitespace: true }]}>
      <Input className="filter-field" allowClear />
    </Form.Item>
  );
}

export function IdField() {
  const t = useMessages({ zh, en });
  const check = (_: unknown, value: string | undefined) =>
    value === undefined || value === '' || isReadableId(value) ? Promise.resolve() : Promise.reject(new Error(t('id.wrong')));
  return (
    <Form.Item name="id" label={t('id')} rules={[{ required: true }, { validator: check }]}>
      <Input style={{ width: '20rem', maxWidth: '100%' }} allowClear />
    </Form.Item>
  );
}

export function NumberField({ name }: { name: 'queue' | 'offset' }) {
  const t = useMessages({ zh, en });
  const check = (_: unknown, value: string | undefined) =>
    value === undefined || value === '' || isPlace(value) ? Promise.resolve() : Promise.reject(new Error(t('number.wrong')));
  return (
    <Form.Item name={name} label={t(name)} rules={[{ required: true }, { validator: check }]}>
      <Input className="filter-field" allowClear inputMode="numeric" />
    </Form.Item>
  );
}

/** Of the chosen topic; it need not be told when there is but one. */
export function TopicBrokerField() {
  const form = Form.useFormInstance<{ topic?: string }>();
  const topic = Form.useWatch('topic', form);
  const t = useMessages({ zh, en });
  const brokers = useBrokersOf(topic ?? '');
  return (
    <Form.Item name="broker" label={t('broker')} rules={[{ required: brokers.length > 1 }]}>
      <Select
        className="filter-field"
        allowClear
        placeholder={brokers.length === 1 ? brokers[0] : ''}
        options={brokers.map((value) => ({ value, label: value }))}
      />
    </Form.Item>
  );
}

/** Those that a topic is on; of one that is in no list, those of the instance. */
export function useBrokersOf(topic: string): readonly string[] {
  const { instance } = useInstance();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  return topics.find(({ name }) => name === topic)?.brokers ?? instance.brokers;
}
