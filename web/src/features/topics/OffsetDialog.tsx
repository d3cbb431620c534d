import { useQuery } from '@tanstack/react-query';
import { Form, Input, InputNumber, Select } from 'antd';
import { useState } from 'react';
import { groupsQuery } from '@/api/shared';
import { FilterBar } from '@/components/FilterBar';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { ViewDialog } from '@/components/ViewDialog';
import { en } from './en';
import { MessageTable } from './MessageTable';
import { messageAt, topicQuery, topicsKey, type Place } from './queries';
import { zh } from './zh';

interface Values {
  topic: string;
  group?: string;
  broker?: string;
  queue?: number;
  offset?: number;
}

/** 「OFFSET查询」: the message of a place in a queue. */
export function OffsetDialog({ start, onClose }: { start: Values; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const groups = useQuery(groupsQuery(instance)).data ?? [];
  const { topic } = start;
  const brokers = useQuery(topicQuery(instance, topic)).data?.brokers ?? instance.brokers;
  const [place, setPlace] = useState<Place | null>(null);
  const query = useQuery({
    queryKey: [...topicsKey(instance), 'message', place],
    queryFn: async () => (place === null ? null : (await messageAt(management, place)).data),
    enabled: place !== null,
    retry: false,
    gcTime: 0,
  });
  const search = ({ group = '', broker = '', queue = 0, offset = 0 }: Values) => {
    const next = { topic, group, broker, queue, offset };
    if (place !== null && JSON.stringify(next) === JSON.stringify(place)) {
      void query.refetch();
    }
    setPlace(next);
  };
  const whole = [{ required: true, type: 'integer', min: 0, message: t('offset.number') } as const];
  // A group may be gone, and a topic that nobody consumed is shown with one that is none.
  const group = groups.some(({ name }) => name === start.group) ? start.group : undefined;
  const initial: Values = {
    ...start,
    ...(brokers.length === 1 && brokers[0] !== undefined ? { broker: brokers[0] } : {}),
  };
  if (group === undefined) {
    delete initial.group;
  }
  return (
    <ViewDialog title={t('offset.title')} width={1100} onClose={onClose}>
      {/* Once more when it is known which groups and brokers there are. */}
      <FilterBar<Values> key={`${group} ${initial.broker}`} initial={initial} onSearch={search}>
        <Form.Item name="topic" label={t('offset.topic')} required>
          <Input className="filter-field" disabled />
        </Form.Item>
        <Form.Item name="group" label={t('offset.group')}>
          <Select
            className="filter-field"
            showSearch
            allowClear
            options={groups.map(({ name }) => ({ value: name, label: name }))}
          />
        </Form.Item>
        <Form.Item name="broker" label={t('offset.broker')} rules={[{ required: true, message: t('offset.brokerMissing') }]}>
          <Select className="filter-field" options={brokers.map((name) => ({ value: name, label: name }))} />
        </Form.Item>
        <Form.Item name="queue" label={t('offset.queue')} rules={whole}>
          <InputNumber />
        </Form.Item>
        <Form.Item name="offset" label={t('offset.offset')} rules={whole}>
          <InputNumber style={{ width: 140 }} />
        </Form.Item>
      </FilterBar>
      {place !== null && <MessageTable name={t('offset.title')} query={query} rows={query.data == null ? [] : [query.data]} />}
    </ViewDialog>
  );
}
