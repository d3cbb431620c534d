import { useQuery } from '@tanstack/react-query';
import { DatePicker, Descriptions, Form, Progress, Select } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import { useState } from 'react';
import { api, call } from '@/api/client';
import { usePoll } from '@/api/poll';
import { instancesQuery, type Instance } from '@/api/shared';
import { FilterBar } from '@/components/FilterBar';
import { GuideTable, type Columns } from '@/components/GuideTable';
import { useMessages } from '@/components/i18n';
import { useTimes } from '@/components/instance';
import { NoData, QueryState } from '@/components/QueryState';
import { TenantField } from '@/components/tenant';
import { en } from './en';
import { DAY_MS, HOUR_MS } from './numbers';
import { UsageCharts, type Usage } from './UsageCharts';
import { zh } from './zh';

type By = 'hour' | 'day' | 'topic';

interface Filter {
  instance: string;
  by: By;
  /** `null`: the last 24 hours, as they go on. */
  range: [Dayjs, Dayjs] | null;
}

const SUMS = [
  'messagesIn',
  'unitsIn',
  'bytesIn',
  'messagesOut',
  'unitsOut',
  'bytesOut',
  'apiCalls',
  'storedByteHoursHot',
  'storedByteHoursCold',
] as const;
const DAYS_MAX = 366;

async function usageOf({ instance, by, range }: Filter) {
  const to = range === null ? Date.now() : range[1].valueOf();
  const from = range === null ? to - DAY_MS : range[0].valueOf();
  const params = { path: { instance }, query: { by, from, to } };
  return { from, to, by, ...(await call(api.GET('/v1/instances/{instance}/usage', { params }))) };
}

type Answer = Awaited<ReturnType<typeof usageOf>>;

function useColumns(by: By, total: Usage): Columns<Usage> {
  const t = useMessages({ zh, en });
  const { minute } = useTimes();
  const messages = total.messagesIn + total.messagesOut;
  const first: Columns<Usage> =
    by === 'topic'
      ? [
          { key: 'topic', title: t('topic'), render: (_, { topic }) => topic ?? t('topic.none') },
          {
            key: 'share',
            title: t('share'),
            render: (_, { messagesIn, messagesOut, topic }) => (
              <Progress
                aria-label={`${t('share')} ${topic ?? ''}`}
                percent={messages === 0 ? 0 : Math.round(((messagesIn + messagesOut) / messages) * 100)}
                size={[120, 8]}
                status="normal"
              />
            ),
          },
        ]
      : [
          {
            key: 'time',
            title: t('time'),
            render: (_, { hour }) => (by === 'day' && hour != null ? new Date(hour).toISOString().slice(0, 10) : minute(hour)),
          },
        ];
  return [
    ...first,
    ...SUMS.map((sum) => ({
      key: sum,
      title: t(sum),
      align: 'right' as const,
      render: (_: unknown, line: Usage) => line[sum].toLocaleString('en-US'),
    })),
  ];
}

function Shown({ answer, query }: { answer: Answer; query: ReturnType<typeof usePoll<Answer>> }) {
  const t = useMessages({ zh, en });
  const { by, from, to, items, total } = answer;
  const columns = useColumns(by, total);
  const newestFirst = [...items].sort((a, b) => (b.hour ?? 0) - (a.hour ?? 0));
  return (
    <>
      <Descriptions
        style={{ marginBottom: 16 }}
        size="small"
        bordered
        title={t('total')}
        column={{ xs: 1, sm: 2, md: 3 }}
        items={SUMS.map((sum) => ({ key: sum, label: t(sum), children: total[sum].toLocaleString('en-US') }))}
      />
      {by !== 'topic' && items.length > 0 && (
        <UsageCharts lines={items} from={from} to={to} step={by === 'day' ? DAY_MS : HOUR_MS} />
      )}
      <GuideTable
        name={t('detail')}
        columns={columns}
        rowKey={({ hour, topic }) => `${hour ?? ''}/${topic ?? ''}`}
        query={query}
        rows={by === 'topic' ? items : newestFirst}
      />
    </>
  );
}

function Instances({ instances }: { instances: readonly Instance[] }) {
  const t = useMessages({ zh, en });
  const [filter, setFilter] = useState<Filter>({ instance: instances[0]?.id ?? '', by: 'hour', range: null });
  const query = usePoll({
    queryKey: ['usage', filter.instance, filter.by, filter.range?.map((at) => at.valueOf())],
    queryFn: () => usageOf(filter),
    every: 30_000,
  });
  const options = (['hour', 'day', 'topic'] as const).map((value) => ({ value, label: t(`by.${value}`) }));
  return (
    <>
      <FilterBar<Filter> initial={filter} onSearch={setFilter}>
        <TenantField required />
        <Form.Item name="instance" label={t('instance')} rules={[{ required: true }]}>
          <Select className="filter-field" options={instances.map(({ id, name }) => ({ value: id, label: name }))} />
        </Form.Item>
        <Form.Item name="by" label={t('by')}>
          <Select style={{ minWidth: '7rem' }} options={options} />
        </Form.Item>
        <Form.Item
          name="range"
          label={t('range')}
          dependencies={['by']}
          rules={[
            ({ getFieldValue }) => ({
              validator: (_, range: Filter['range']) =>
                range !== null && getFieldValue('by') === 'hour' && range[1].diff(range[0], 'day') >= DAYS_MAX
                  ? Promise.reject(new Error(t('range.long')))
                  : Promise.resolve(),
            }),
          ]}
        >
          <DatePicker.RangePicker
            showTime={{ format: 'HH:mm' }}
            format="YYYY-MM-DD HH:mm"
            disabledDate={(day) => day.isAfter(dayjs(), 'day')}
          />
        </Form.Item>
      </FilterBar>
      <p>{t('usage.note')}</p>
      <QueryState query={query}>{(answer) => <Shown answer={answer} query={query} />}</QueryState>
    </>
  );
}

/** What an instance of the tenant used. */
export function UsageTab({ tenant }: { tenant: number }) {
  const t = useMessages({ zh, en });
  const query = useQuery(instancesQuery);
  return (
    <QueryState query={query}>
      {(all) => {
        const own = all.filter(({ tenantId }) => tenantId === tenant);
        return own.length > 0 ? (
          <Instances key={tenant} instances={own} />
        ) : (
          <>
            <Form layout="inline" className="filter-bar">
              <TenantField required />
            </Form>
            <p>{t('usage.none')}</p>
            <NoData />
          </>
        );
      }}
    </QueryState>
  );
}
