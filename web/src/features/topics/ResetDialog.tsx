import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, Button, Checkbox, DatePicker, Form, Input, Modal, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, call, managed } from '@/api/client';
import { groupsQuery } from '@/api/shared';
import { Failure } from '@/components/Failure';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { useNotice } from '@/components/notice';
import { msOfText, secondText } from '@/components/time';
import { en } from './en';
import { movedBy } from './moved';
import { topicsKey } from './queries';
import { ResetRows } from './ResetRows';
import { zh } from './zh';

interface Values {
  group?: string;
  time?: Dayjs | null;
  isEarliest: boolean;
}

const FORM = 'YYYY-MM-DD HH:mm:ss';
const ROWS_MAX = 1000;
const NOTES = ['reset.note.1', 'reset.note.2', 'reset.note.3', 'reset.note.4'] as const;

/** 「重置消费位置」: asked first what it would do, then done. */
export function ResetDialog({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const notify = useNotice();
  const queries = useQueryClient();
  const { instance, management } = useInstance();
  const { timeZone } = instance;
  const groups = useQuery(groupsQuery(instance));
  const [form] = Form.useForm<Values>();
  const [now] = useState(() => dayjs(secondText(Date.now(), timeZone)));
  /** What is to be done: nothing before the form is right. */
  const [wanted, setWanted] = useState<{ group: string; at: number | null } | null>(null);

  const preview = useMutation({
    mutationFn: ({ group, at }: { group: string; at: number | null }) =>
      call(
        api.POST('/v1/instances/{instance}/groups/{group}/topics/{topic}/seek', {
          params: { path: { instance: instance.id, group, topic } },
          body: { to: at ?? 'earliest', dryRun: true },
        }),
      ),
  });
  const reset = useMutation({
    mutationFn: ({ group, at }: { group: string; at: number | null }) =>
      managed(
        api.POST('/api/manager/topics/consumeOffset', {
          params: { query: management },
          body: {
            consumerGroupList: [group],
            topicName: topic,
            ...(at === null ? {} : { resetTime: String(at) }),
            resetForward: true,
            pageNumber: 1,
            pageSize: ROWS_MAX,
          },
        }),
      ),
    onSuccess: () => {
      notify(t('reset.done'));
      void queries.invalidateQueries({ queryKey: topicsKey(instance) });
    },
  });

  const ask = ({ group = '', time, isEarliest }: Values) => {
    const at = isEarliest || time == null ? null : msOfText(time.format(FORM), timeZone);
    const next = { group, at };
    setWanted(next);
    reset.reset();
    preview.mutate(next);
  };
  const again = () => {
    setWanted(null);
    preview.reset();
    reset.reset();
  };
  const confirm = () => {
    if (wanted !== null && preview.data !== undefined) {
      reset.mutate(wanted);
    } else {
      form.submit();
    }
  };
  const isRunning = preview.isPending || reset.isPending;
  const isAsked = preview.data !== undefined;
  const rows = reset.data?.rows ?? preview.data?.rows.map((row) => ({ ...row, brokerName: row.broker }));
  const total = reset.data?.total ?? preview.data?.total ?? 0;
  return (
    <Modal
      open
      title={t('reset.title')}
      width={860}
      closable={{ 'aria-label': t('close') }}
      mask={{ closable: false }}
      afterOpenChange={() => form.focusField('group')}
      onCancel={onClose}
      footer={
        reset.isSuccess ? null : (
          <>
            {isAsked && (
              <Button disabled={isRunning} onClick={again}>
                {t('reset.back')}
              </Button>
            )}
            <Button type="primary" danger={isAsked} loading={isRunning} onClick={confirm}>
              {t(isAsked ? 'reset.confirm' : 'reset.ok')}
            </Button>
          </>
        )
      }
    >
      <Form<Values>
        form={form}
        layout="vertical"
        initialValues={{ isEarliest: false }}
        disabled={isAsked || isRunning}
        onFinish={ask}
      >
        <Form.Item name="group" label={t('reset.group')} rules={[{ required: true, message: t('reset.groupMissing') }]}>
          <Select
            showSearch
            loading={groups.isPending}
            options={(groups.data ?? []).map(({ name }) => ({ value: name, label: name }))}
          />
        </Form.Item>
        <Form.Item label={t('reset.topic')} htmlFor="reset-topic">
          <Input id="reset-topic" value={topic} disabled />
        </Form.Item>
        <Form.Item noStyle dependencies={['isEarliest']}>
          {({ getFieldValue }) => (
            <Form.Item
              name="time"
              label={`${t('reset.time')} (${timeZone})`}
              rules={[{ required: getFieldValue('isEarliest') !== true, message: t('reset.timeMissing') }]}
            >
              <DatePicker
                showTime
                format={FORM}
                placeholder="yyyy-MM-dd HH:mm:ss"
                disabled={isAsked || isRunning || getFieldValue('isEarliest') === true}
                style={{ width: 260 }}
                defaultPickerValue={now}
                showNow={false}
                // Enter takes the time that was typed and asks for nothing yet.
                onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
              />
            </Form.Item>
          )}
        </Form.Item>
        <Form.Item name="isEarliest" valuePropName="checked">
          <Checkbox>{t('reset.earliest')}</Checkbox>
        </Form.Item>
        <button type="submit" hidden disabled={isAsked || isRunning} />
      </Form>
      {groups.error !== null && <Failure error={groups.error} onRetry={() => void groups.refetch()} />}
      {!isAsked && (
        <section aria-label={t('reset.notes')}>
          <ol style={{ margin: 0, paddingInlineStart: 20 }}>
            {NOTES.map((note) => (
              <li key={note}>{t(note)}</li>
            ))}
          </ol>
        </section>
      )}
      {preview.error !== null && <Failure error={preview.error} />}
      {reset.error !== null && <Failure error={reset.error} />}
      {isAsked && !reset.isSuccess && (
        <Alert
          type="warning"
          showIcon
          title={t('reset.preview', { total, ...movedBy(preview.data.rows) })}
          style={{ marginBottom: 12 }}
        />
      )}
      {reset.isSuccess && (
        <p role="status">
          <strong>{t('reset.total', { total })}</strong>
        </p>
      )}
      {rows !== undefined && total > rows.length && <p>{t('reset.cut', { shown: rows.length })}</p>}
      {rows !== undefined && <ResetRows topic={topic} rows={rows} isFetching={reset.isPending} />}
    </Modal>
  );
}
