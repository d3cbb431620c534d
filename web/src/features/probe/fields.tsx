/** Fields that both tests have. */
import { useQuery } from '@tanstack/react-query';
import { Form, InputNumber, Select } from 'antd';
import { groupsQuery, topicsQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { en } from './en';
import { isWholeNumber } from './messages';
import { zh } from './zh';

/** A whole number from 1; anything else is said at the field and not sent. */
export function NumberField({ name, max }: { name: 'count' | 'size'; max: number }) {
  const t = useMessages({ zh, en });
  const validator = (_: unknown, value: unknown) =>
    isWholeNumber(value, max) ? Promise.resolve() : Promise.reject(new Error(t(`${name}.bad`, { max })));
  return (
    <Form.Item name={name} label={t(name)} required rules={[{ validator }]}>
      <InputNumber style={{ width: '100%' }} />
    </Form.Item>
  );
}

/** `faultOf`: why a topic is none for this test. */
export function TopicField({ faultOf }: { faultOf: (topic: string) => string | null }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const { data: topics = [], isPending } = useQuery(topicsQuery(instance));
  const validator = (_: unknown, topic?: string) => {
    const fault = topic === undefined ? t('topic.missing') : faultOf(topic);
    return fault === null ? Promise.resolve() : Promise.reject(new Error(fault));
  };
  return (
    <Form.Item name="topic" label={t('topic')} required rules={[{ validator }]}>
      <Select
        showSearch
        loading={isPending}
        placeholder={t('topic.hint')}
        options={topics.map(({ name }) => ({ value: name, label: name }))}
      />
    </Form.Item>
  );
}

export function GroupField() {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const { data: groups = [], isPending } = useQuery(groupsQuery(instance));
  return (
    <Form.Item name="group" label={t('group')} rules={[{ required: true, message: t('group.missing') }]}>
      <Select showSearch loading={isPending} options={groups.map(({ name }) => ({ value: name, label: name }))} />
    </Form.Item>
  );
}
