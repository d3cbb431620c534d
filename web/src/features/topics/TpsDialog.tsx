import { Form, Select, theme } from 'antd';
import { useMemo, useState } from 'react';
import { usePoll } from '@/api/poll';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { QueryState } from '@/components/QueryState';
import { TimeChart } from '@/components/TimeChart';
import { ViewDialog } from '@/components/ViewDialog';
import { filled } from './curve';
import { en } from './en';
import { topicsKey, topicTps, useGroupsOfTopic } from './queries';
import { zh } from './zh';

const ALL = '*';
const EVERY_MS = 30_000;

/** 「TPS监控」 of a topic: what is produced, and what a group consumes of it. */
export function TpsDialog({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useMessages({ zh, en });
  const { instance, management } = useInstance();
  const { token } = theme.useToken();
  const groups = useGroupsOfTopic(topic);
  const [broker, setBroker] = useState(ALL);
  /** Before one is chosen: the first that there is. */
  const [chosen, setChosen] = useState<string | null>(null);
  const group = chosen ?? groups.data?.[0] ?? '';
  const query = usePoll({
    queryKey: [...topicsKey(instance), 'tps', topic, broker, group],
    queryFn: async () => ({ at: Date.now(), ...(await topicTps(management, topic, broker, group)) }),
    enabled: !groups.isPending,
    every: EVERY_MS,
    keep: true,
  });
  const { data } = query;
  const curve = useMemo(() => (data === undefined ? null : filled(data.totalTpslist, data.at)), [data]);
  const curves = useMemo(() => {
    const produced = { name: t('tps.in'), color: token.colorPrimary, values: curve?.produced ?? [] };
    const consumed = { name: t('tps.out'), color: token.colorWarning, values: curve?.consumed ?? [] };
    return group === '' ? [produced] : [produced, consumed];
  }, [t, token, curve, group]);
  const peak = (values: readonly number[] = []) => Math.max(0, ...values).toFixed(3);
  const options = (names: readonly string[]) => names.map((name) => ({ value: name, label: name }));
  return (
    <ViewDialog title={t('tps.title', { name: topic })} width={960} onClose={onClose}>
      <Form layout="inline" className="filter-bar">
        <Form.Item label={t('tps.broker')} htmlFor="tps-broker">
          <Select
            id="tps-broker"
            className="filter-field"
            value={broker}
            options={[{ value: ALL, label: t('tps.all') }, ...options(instance.brokers)]}
            onChange={setBroker}
          />
        </Form.Item>
        <Form.Item label={t('tps.group')} htmlFor="tps-group" extra={group === '' ? t('tps.noGroup') : undefined}>
          <Select
            id="tps-group"
            className="filter-field"
            showSearch
            allowClear
            value={group === '' ? null : group}
            options={options(groups.data ?? [])}
            onChange={(name?: string) => setChosen(name ?? '')}
          />
        </Form.Item>
      </Form>
      <QueryState query={query}>
        {({ total }) => (
          <>
            <p>
              {total === 0
                ? t('tps.none')
                : t('tps.peak', { produced: peak(curve?.produced), consumed: peak(curve?.consumed) })}
            </p>
            {curve !== null && <TimeChart name={t('tps.chart', { name: topic })} times={curve.times} curves={curves} />}
          </>
        )}
      </QueryState>
    </ViewDialog>
  );
}
