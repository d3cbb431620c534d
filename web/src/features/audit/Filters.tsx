import { useQuery } from '@tanstack/react-query';
import { AutoComplete, DatePicker, Form, Select } from 'antd';
import type { ReactNode } from 'react';
import { instancesQuery } from '@/api/shared';
import { FilterBar, TextField } from '@/components/FilterBar';
import { useMessages } from '@/components/i18n';
import { TenantField } from '@/components/tenant';
import { en } from './en';
import { ACTIONS, DENIED, type Fields } from './filter';
import { zh } from './zh';

interface Props {
  initial: Fields;
  tenant: number | null;
  onSearch: (fields: Fields) => void;
  actions: ReactNode;
}

/** By time, who, what, outcome and instance. */
export function Filters({ initial, tenant, onSearch, actions }: Props) {
  const t = useMessages({ zh, en });
  const all = useQuery(instancesQuery).data ?? [];
  const own = all.filter(({ tenantId }) => tenant === null || tenantId === tenant);
  return (
    <FilterBar<Fields> initial={initial} onSearch={onSearch} actions={actions}>
      <TenantField />
      <Form.Item name="range" label={t('range')}>
        <DatePicker.RangePicker showTime={{ format: 'HH:mm' }} format="YYYY-MM-DD HH:mm" />
      </Form.Item>
      <TextField name="caller" label={t('caller')} hint={t('caller.hint')} />
      <Form.Item name="action" label={t('action')}>
        <AutoComplete
          className="filter-field"
          allowClear
          placeholder={t('action.hint')}
          options={ACTIONS.map((value) => ({ value }))}
          showSearch={{ filterOption: (typed, option) => option?.value.toLowerCase().includes(typed.toLowerCase()) === true }}
        />
      </Form.Item>
      <Form.Item name="outcome" label={t('outcome')}>
        <Select
          style={{ minWidth: '6rem' }}
          options={[
            { value: '', label: t('outcome.all') },
            { value: DENIED, label: t('outcome.denied') },
          ]}
        />
      </Form.Item>
      <Form.Item name="instance" label={t('instance')}>
        <Select
          className="filter-field"
          options={[{ value: '', label: t('instance.all') }, ...own.map(({ id, name }) => ({ value: id, label: name }))]}
        />
      </Form.Item>
    </FilterBar>
  );
}
