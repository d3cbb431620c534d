import { Form, InputNumber, Radio, Typography } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { api, call } from '@/api/client';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { en } from './en';
import { redrive, type Wanted } from './redrive';
import { zh } from './zh';

export const RATE_MIN = 0.1;
export const RATE_MAX = 10_000;

interface Values {
  target: 'group' | 'topic';
  ratePerSecond?: number | null;
  max?: number | null;
}

interface Props {
  group: string;
  /** What is ticked; all of the group's without. */
  messageIds?: readonly string[];
  /** Only those that came from this topic. */
  topic?: string;
  onDone: () => void;
  onClose: () => void;
}

/** 「重投」: where to, how fast, how many. */
export default function RedriveDialog({ group, messageIds, topic, onDone, onClose }: Props) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const [sent, setSent] = useState<number | null>(null);
  const isStopped = useRef(false);
  useEffect(() => {
    isStopped.current = false;
    return () => {
      isStopped.current = true;
    };
  }, []);
  const save = async ({ target, ratePerSecond, max }: Values) => {
    const wanted: Wanted = { toTopic: target === 'topic' };
    if (messageIds !== undefined) {
      wanted.messageIds = messageIds;
    } else if (topic !== undefined) {
      wanted.topic = topic;
    }
    if (ratePerSecond != null) {
      wanted.ratePerSecond = ratePerSecond;
    }
    if (max != null) {
      wanted.max = max;
    }
    const params = { path: { instance: instance.id, group } };
    try {
      const count = await redrive(
        wanted,
        (body) => call(api.POST('/v1/instances/{instance}/groups/{group}/dead-letters/redrive', { params, body })),
        { onProgress: setSent, isStopped: () => isStopped.current },
      );
      return t('redrive.done', { count });
    } finally {
      onDone();
    }
  };
  const what =
    messageIds !== undefined
      ? t('redrive.ticked', { count: messageIds.length })
      : topic !== undefined
        ? t('redrive.ofTopic', { topic })
        : t('redrive.all', { group });
  return (
    <FormDialog<Values>
      title={t('redrive.title')}
      initial={{ target: 'group' }}
      okText={t('redrive')}
      save={save}
      onClose={onClose}
    >
      <Typography.Paragraph>{what}</Typography.Paragraph>
      <Form.Item name="target" label={t('redrive.target')}>
        <Radio.Group
          options={[
            { value: 'group', label: t('redrive.target.group', { group }) },
            { value: 'topic', label: t('redrive.target.topic') },
          ]}
        />
      </Form.Item>
      <Form.Item
        name="ratePerSecond"
        label={t('redrive.rate')}
        extra={t('redrive.rate.hint')}
        rules={[{ type: 'number', min: RATE_MIN, max: RATE_MAX, message: t('redrive.rate.bad') }]}
      >
        <InputNumber style={{ width: '12rem' }} />
      </Form.Item>
      {messageIds === undefined && (
        <Form.Item
          name="max"
          label={t('redrive.max')}
          rules={[{ type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER, message: t('redrive.max.bad') }]}
        >
          <InputNumber style={{ width: '12rem' }} />
        </Form.Item>
      )}
      {sent !== null && <Typography.Paragraph role="status">{t('redrive.progress', { count: sent })}</Typography.Paragraph>}
    </FormDialog>
  );
}
