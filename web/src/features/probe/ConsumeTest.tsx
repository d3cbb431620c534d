import { useQuery } from '@tanstack/react-query';
import { Form, Select, Typography } from 'antd';
import { topicsQuery } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { useInstance, useTimes } from '@/components/instance';
import { consume, CONSUMED, type Consumed } from './consume';
import { en } from './en';
import { GroupField, NumberField, TopicField } from './fields';
import { COUNT_MAX } from './messages';
import { Results, TestButtons } from './Results';
import { useTest } from './useTest';
import { zh } from './zh';

interface Values {
  isOrdered: boolean;
  way: 'pull' | 'push';
  count: number;
  topic: string;
  group: string;
}

const INITIAL = { isOrdered: false, way: 'pull', count: 1 } as const;

/** 「消费测试」. */
export function ConsumeTest({ topic }: { topic: string | undefined }) {
  const t = useMessages({ zh, en });
  const times = useTimes();
  const { instance } = useInstance();
  const topics = useQuery(topicsQuery(instance)).data ?? [];
  const test = useTest<Consumed>();
  const faultOf = (name: string) =>
    topics.find((one) => one.name === name)?.permission === 'write' ? t('topic.writeOnly') : null;
  const run = (values: Values) => {
    const wish = { ...values, instance: instance.id };
    void test.run(values.count, (tell, signal) => consume(wish, tell, signal));
  };
  const got = test.rows.filter(({ status }) => status === CONSUMED).length;
  const count = test.count ?? 0;
  const isShort = !test.isRunning && test.error === null && test.rows.length < count;
  const progress = t(test.isRunning ? 'receiving' : 'got', { got, count });
  return (
    <>
      <Form<Values>
        name="consume"
        layout="vertical"
        style={{ maxWidth: 480, marginBottom: 24 }}
        initialValues={topic === undefined ? INITIAL : { ...INITIAL, topic }}
        onFinish={run}
      >
        <Form.Item name="isOrdered" label={t('order')}>
          <Select
            options={[
              { value: false, label: t('order.none') },
              { value: true, label: t('order.strict') },
            ]}
          />
        </Form.Item>
        <Form.Item name="way" label={t('way')}>
          <Select options={['pull', 'push'].map((value) => ({ value, label: value }))} />
        </Form.Item>
        <NumberField name="count" max={COUNT_MAX} />
        <TopicField faultOf={faultOf} />
        <GroupField />
        <Typography.Paragraph>{t('taken')}</Typography.Paragraph>
        <TestButtons test={test} />
      </Form>
      <Results
        name={`${t('consume')} ${t('results')}`}
        test={test}
        progress={isShort ? `${progress}. ${t('got.none')}` : progress}
        isGood={got === count}
        columns={[
          { key: 'messageId', title: t('messageId'), render: (_, { message }) => message.messageId },
          { key: 'topic', title: t('consumedTopic'), render: (_, { message }) => message.topic },
          { key: 'born', title: t('born'), render: (_, { message }) => times.second(message.bornTimestamp) },
          { key: 'stored', title: t('stored'), render: (_, { message }) => times.second(message.storeTimestamp) },
          { key: 'queueId', title: t('queueId'), render: (_, { message }) => message.queueId },
          { key: 'status', title: t('consumed'), dataIndex: 'status' },
        ]}
      />
    </>
  );
}
