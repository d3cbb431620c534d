import { DatePicker, Form, Input, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { FormDialog } from '@/components/FormDialog';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { areNames, DAY_MS, isEnd, isName } from './rules';
import { createToken, type NewToken, type Reach, type Token } from './tokens';
import { zh } from './zh';

interface Values extends Omit<NewToken, 'expiresAt'> {
  end: Dayjs;
}

interface Props {
  reach: Reach;
  /** With the text that is shown this once. */
  onMade: (token: Token) => void;
  onClose: () => void;
}

const LIFE_DAYS = 90;

/** A new token: what it lets do, where, and until when. */
export default function TokenDialog({ reach, onMade, onClose }: Props) {
  const t = useMessages({ zh, en });
  const [suggested] = useState(() => dayjs(Date.now() + LIFE_DAYS * DAY_MS));
  const check = (isFine: boolean, text: string) => (isFine ? Promise.resolve() : Promise.reject(new Error(text)));
  const save = async ({ end, ...values }: Values) => {
    onMade(await createToken(reach, { ...values, expiresAt: end.valueOf() }));
  };
  const initial: Partial<Values> = { scopes: [], topics: [], groups: [], end: suggested };
  const names = (name: 'topics' | 'groups') => (
    <Form.Item
      name={name}
      label={t(name)}
      extra={t('names.hint')}
      rules={[{ validator: (_, value: string[] | undefined) => check(areNames(value), t('names.wrong')) }]}
    >
      <Select mode="tags" open={false} suffix={null} tokenSeparators={[',', ' ']} />
    </Form.Item>
  );
  return (
    <FormDialog<Values> title={t('token.create')} initial={initial} save={save} done={t('token.created')} onClose={onClose}>
      <Form.Item
        name="name"
        label={t('name')}
        rules={[{ required: true, validator: (_, value: string | undefined) => check(isName(value ?? ''), t('name.hint')) }]}
      >
        <Input maxLength={64} autoFocus placeholder={t('name.hint')} />
      </Form.Item>
      <Form.Item name="scopes" label={t('scopes')} rules={[{ required: true, message: t('scopes.missing') }]}>
        <Select
          mode="multiple"
          options={(['read', 'manage', 'produce', 'consume'] as const).map((value) => ({ value, label: t(`scope.${value}`) }))}
        />
      </Form.Item>
      {names('topics')}
      {names('groups')}
      <Form.Item
        name="end"
        label={t('expiresAt')}
        extra={t('expiresAt.hint')}
        rules={[
          {
            required: true,
            validator: (_, end: Dayjs | null) => check(end !== null && isEnd(end.valueOf(), Date.now()), t('expiresAt.wrong')),
          },
        ]}
      >
        <DatePicker showTime format="YYYY-MM-DD HH:mm:ss" style={{ width: '100%' }} />
      </Form.Item>
    </FormDialog>
  );
}
