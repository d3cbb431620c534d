import { useQueryClient } from '@tanstack/react-query';
import { Form, Input, InputNumber, Radio } from 'antd';
import { api, managed } from '@/api/client';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { BrokerBoxes } from './BrokerBoxes';
import { en } from './en';
import { topicsKey } from './queries';
import { orderText, permissionText } from './words';
import { zh } from './zh';

export interface Values {
  brokers: string[];
  name: string;
  remark: string;
  queues: number;
  order: boolean;
  perm: number;
}

const QUEUES_MAX = 1024;
const REMARK_BYTES_MAX = 512;

const bytes = (text: string) => new TextEncoder().encode(text).length;

interface Props {
  /** A topic to change: its place and its name are locked. */
  changed?: Values;
  onClose: () => void;
}

/** 「新建Topic」 and 「编辑Topic」. */
export default function TopicDialog({ changed, onClose }: Props) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const queries = useQueryClient();
  const isNew = changed === undefined;
  const save = async ({ brokers, name, remark, queues, order, perm }: Values) => {
    const attributes = { readQueueNums: queues, writeQueueNums: queues, order, perm, remark };
    if (isNew) {
      const body = { clusterNameList: [management.clusterName], brokerNameList: brokers, topicName: name, ...attributes };
      await managed(api.POST('/api/manager/topics', { params: { query: management }, body }));
    } else {
      const path = { clusterName: management.clusterName, topicName: changed.name };
      const params = { path, query: management };
      await managed(api.POST('/api/manager/topics/{clusterName}/{topicName}', { params, body: attributes }));
    }
    await queries.invalidateQueries({ queryKey: topicsKey(instance) });
  };
  const initial: Values = changed ?? { brokers: [...instance.brokers], name: '', remark: '', queues: 4, order: false, perm: 6 };
  return (
    <FormDialog<Values>
      title={t(isNew ? 'form.create' : 'form.change')}
      initial={initial}
      save={save}
      done={t(isNew ? 'form.created' : 'form.changed')}
      onClose={onClose}
    >
      <Form.Item label={t('form.instance')} htmlFor="topic-instance">
        <Input id="topic-instance" value={instance.name} disabled />
      </Form.Item>
      <Form.Item
        name="brokers"
        label={t('form.brokers')}
        rules={[{ required: true, type: 'array', min: 1, message: t('form.brokersMissing') }]}
      >
        <BrokerBoxes names={isNew ? instance.brokers : initial.brokers} disabled={!isNew} />
      </Form.Item>
      <Form.Item
        name="name"
        label={t('form.name')}
        rules={[
          { required: true, message: t('form.nameMissing') },
          { pattern: /^[A-Za-z0-9_-]{1,64}$/, message: t('form.nameHint') },
        ]}
      >
        <Input maxLength={64} placeholder={t('form.nameHint')} disabled={!isNew} />
      </Form.Item>
      <Form.Item
        name="remark"
        label={t('form.remark')}
        rules={[
          {
            validator: (_, text: string) =>
              bytes(text) <= REMARK_BYTES_MAX
                ? Promise.resolve()
                : Promise.reject(new Error(t('form.remarkLong', { bytes: REMARK_BYTES_MAX }))),
          },
        ]}
      >
        <Input.TextArea rows={2} />
      </Form.Item>
      <Form.Item
        name="queues"
        label={t('form.queues')}
        extra={t('form.queuesHint')}
        rules={[
          { required: true, type: 'integer', min: 1, max: QUEUES_MAX, message: t('form.queuesRange', { most: QUEUES_MAX }) },
        ]}
      >
        <InputNumber style={{ width: 160 }} />
      </Form.Item>
      <Form.Item name="order" label={t('form.mode')}>
        <Radio.Group
          aria-label={t('form.mode')}
          options={[false, true].map((value) => ({ value, label: orderText(value, t) }))}
        />
      </Form.Item>
      <Form.Item name="perm" label={t('form.permission')}>
        <Radio.Group
          aria-label={t('form.permission')}
          options={[6, 4, 2].map((value) => ({ value, label: permissionText(value, t) }))}
        />
      </Form.Item>
    </FormDialog>
  );
}
