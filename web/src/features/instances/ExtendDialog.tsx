import { useQueryClient } from '@tanstack/react-query';
import { DatePicker, Form, Switch } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, call } from '@/api/client';
import { instancesQuery, type Instance } from '@/api/shared';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { msOfText, secondText } from '@/components/time';
import { en } from './en';
import { zh } from './zh';

interface Values {
  isEndless: boolean;
  end?: Dayjs | null;
}

const FORM = 'YYYY-MM-DD HH:mm:ss';
const YEAR_MS = 365 * 24 * 3_600_000;

/** 到期时间, in the instance's time zone: later, or none at all. */
export default function ExtendDialog({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const queries = useQueryClient();
  const { expiresAt, timeZone } = instance;
  const [suggested] = useState(() => Math.max(expiresAt ?? 0, Date.now()) + YEAR_MS);
  const msOf = (end: Dayjs) => msOfText(end.format(FORM), timeZone) ?? 0;
  const save = async ({ isEndless, end }: Values) => {
    const at = isEndless || end == null ? null : msOf(end);
    const params = { path: { instance: instance.id } };
    await call(api.PATCH('/v1/instances/{instance}', { params, body: { expiresAt: at } }));
    await queries.invalidateQueries({ queryKey: instancesQuery.queryKey });
  };
  return (
    <FormDialog<Values>
      title={t('extend.title', { name: instance.name })}
      initial={{ isEndless: false, end: dayjs(secondText(suggested, timeZone)) }}
      save={save}
      done={t('change.done')}
      onClose={onClose}
    >
      <Form.Item name="isEndless" label={t('extend.never')} valuePropName="checked">
        <Switch />
      </Form.Item>
      <Form.Item noStyle dependencies={['isEndless']}>
        {({ getFieldValue }) =>
          getFieldValue('isEndless') !== true && (
            <Form.Item
              name="end"
              label={`${t('expiresAt')} (${timeZone})`}
              rules={[
                {
                  required: true,
                  validator: (_, end: Dayjs | null) =>
                    end !== null && msOf(end) > Date.now() ? Promise.resolve() : Promise.reject(new Error(t('extend.past'))),
                },
              ]}
            >
              <DatePicker showTime format={FORM} />
            </Form.Item>
          )
        }
      </Form.Item>
    </FormDialog>
  );
}
