import { useQuery } from '@tanstack/react-query';
import { Form, Select, Typography } from 'antd';
import { plansQuery, topicsQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { en } from './en';
import { NumberField, TopicField } from './fields';
import { COUNT_MAX, KIB, LEVELS, takes, TYPES, type MessageType } from './messages';
import { produce, SEND_OK, type Sent } from './produce';
import { Results, TestButtons } from './Results';
import { useTest } from './useTest';
import { zh } from './zh';

interface Values {
  type: MessageType;
  level: number;
  count: number;
  size: number;
  topic: string;
}

const INITIAL = { type: 'normal', level: 1, count: 1, size: 1 } as const;
/** Of a plan that is not known yet. */
const MESSAGE_BYTES = 512 * KIB;

/** 「生产测试」. */
export function ProduceTest({ topic }: { topic: string | undefined }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const [form] = Form.useForm<Values>();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const plan = useQuery(plansQuery).data?.find(({ name }) => name === instance.plan);
  const test = useTest<Sent>();
  const faultOf = (name: string) => {
    const found = topics.find((one) => one.name === name);
    const type = form.getFieldValue('type') as MessageType;
    if (found === undefined) {
      return null;
    }
    if (found.permission === 'read') {
      return t('topic.readOnly');
    }
    return takes(found.type, type) ? null : t('topic.type', { type: t(`type.${type}`) });
  };
  const run = (values: Values) => {
    const wish = { ...values, instance: instance.id, bytes: values.size * KIB };
    void test.run(values.count, (tell, signal) => produce(wish, tell, signal));
  };
  const sent = test.rows.filter(({ status }) => status === SEND_OK).length;
  const count = test.count ?? 0;
  return (
    <>
      <Form<Values>
        form={form}
        name="produce"
        layout="vertical"
        style={{ maxWidth: 480, marginBottom: 24 }}
        initialValues={topic === undefined ? INITIAL : { ...INITIAL, topic }}
        onFinish={run}
      >
        <Form.Item name="type" label={t('type')}>
          <Select
            options={TYPES.map((value) => ({ value, label: t(`type.${value}`) }))}
            onChange={() => {
              if (form.getFieldValue('topic') !== undefined) {
                void form.validateFields(['topic']).catch(() => undefined);
              }
            }}
          />
        </Form.Item>
        <Form.Item noStyle dependencies={['type']}>
          {({ getFieldValue }) =>
            getFieldValue('type') === 'delay' && (
              <Form.Item name="level" label={t('level')}>
                <Select options={LEVELS.map((text, at) => ({ value: at + 1, label: `${at + 1} (${text})` }))} />
              </Form.Item>
            )
          }
        </Form.Item>
        <NumberField name="count" max={COUNT_MAX} />
        <NumberField name="size" max={Math.floor((plan?.messageBytes ?? MESSAGE_BYTES) / KIB)} />
        <TopicField faultOf={faultOf} />
        <Typography.Paragraph>{t('metered')}</Typography.Paragraph>
        <TestButtons test={test} />
      </Form>
      <Results
        name={`${t('produce')} ${t('results')}`}
        test={test}
        progress={t(test.isRunning ? 'sending' : 'sent', { sent, count })}
        isGood={sent === count}
        columns={[
          { key: 'messageId', title: t('messageId'), render: (_, { messageId }) => messageId ?? '-' },
          { key: 'status', title: t('status'), dataIndex: 'status' },
          { key: 'topic', title: t('topicName'), dataIndex: 'topic' },
          { key: 'broker', title: t('brokerName'), render: (_, { broker }) => broker ?? '-' },
          { key: 'queueId', title: t('queueId'), render: (_, { queueId }) => queueId ?? '-' },
        ]}
      />
    </>
  );
}
