import { Checkbox, Space } from 'antd';
import { useMessages } from '@/components/i18n';
import { en } from './en';
import { zh } from './zh';

interface Props {
  names: readonly string[];
  disabled: boolean;
  /** Set by the form. */
  value?: string[];
  onChange?: (value: string[]) => void;
}

/** 「全部」 and a box for each broker. */
export function BrokerBoxes({ names, disabled, value = [], onChange }: Props) {
  const t = useMessages({ zh, en });
  const areAll = value.length === names.length;
  return (
    <Space wrap role="group" aria-label={t('form.brokers')}>
      <Checkbox
        checked={areAll}
        indeterminate={value.length > 0 && !areAll}
        disabled={disabled}
        onChange={({ target }) => onChange?.(target.checked ? [...names] : [])}
      >
        {t('form.all')}
      </Checkbox>
      <Checkbox.Group options={[...names]} value={value} disabled={disabled} onChange={(chosen) => onChange?.(chosen)} />
    </Space>
  );
}
