import { SearchOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Form, Input, Select, Space } from 'antd';
import type { ReactNode } from 'react';
import { useNavigate } from 'react-router';
import { instancesQuery } from '@/api/shared';
import { en } from './en';
import { useMessages } from './i18n';
import { instanceKey, instancePath, useInstance } from './instance';
import { zh } from './zh';

interface Props<Values extends object> {
  /** What the fields hold at first; a field's `name` is its key. */
  initial: Values;
  onSearch: (values: Values) => void;
  /** Buttons behind 「查询」. */
  actions?: ReactNode;
  children?: ReactNode;
}

/** The row of filters above a table, with 「查询」. */
export function FilterBar<Values extends object>({ initial, onSearch, actions, children }: Props<Values>) {
  const t = useMessages({ zh, en });
  return (
    <Form<Values> className="filter-bar" layout="inline" role="search" initialValues={initial} onFinish={onSearch}>
      {children}
      <Space wrap>
        <Button type="primary" htmlType="submit" icon={<SearchOutlined aria-hidden />} autoInsertSpace={false}>
          {t('filter.search')}
        </Button>
        {actions}
      </Space>
    </Form>
  );
}

/** 「集群」: choosing another instance opens the same page of it. `page` is its last part, such as `topics`. */
export function InstanceField({ page }: { page: string }) {
  const t = useMessages({ zh, en });
  const { instance } = useInstance();
  const all = useQuery(instancesQuery).data ?? [instance];
  const navigate = useNavigate();
  return (
    <Form.Item label={t('filter.instance')} required htmlFor="filter-instance">
      <Select
        id="filter-instance"
        className="filter-field"
        aria-label={t('filter.instance')}
        value={instance.id}
        options={all.map(({ id, name }) => ({ value: id, label: name }))}
        onChange={(id) => {
          const next = all.find((one) => one.id === id);
          if (next !== undefined) {
            void navigate(instancePath(instanceKey(next, all), page));
          }
        }}
      />
    </Form.Item>
  );
}

/** Broker: 「全部」 (the empty text) or one by its name. */
export function BrokerField({ name = 'broker', label }: { name?: string; label?: string }) {
  const t = useMessages({ zh, en });
  const { brokers } = useInstance().instance;
  const options = [{ value: '', label: t('filter.all') }, ...brokers.map((value) => ({ value, label: value }))];
  return (
    <Form.Item name={name} label={label ?? t('filter.broker')}>
      <Select className="filter-field" options={options} />
    </Form.Item>
  );
}

/** A name or a part of it. */
export function TextField({ name, label, hint, required = false }: TextFieldProps) {
  const t = useMessages({ zh, en });
  return (
    <Form.Item name={name} label={label} rules={[{ required }]}>
      <Input className="filter-field" allowClear placeholder={hint ?? t('filter.contains')} />
    </Form.Item>
  );
}

interface TextFieldProps {
  name: string;
  label: string;
  /** Placeholder; 「支持模糊查询」 unless told. */
  hint?: string;
  required?: boolean;
}
