import { useMemo } from 'react';
import { api, managed } from '@/api/client';
import { usePoll } from '@/api/poll';
import { useMessages } from '@/components/i18n';
import { useInstance } from '@/components/instance';
import { QueryState } from '@/components/QueryState';
import { TimeChart } from '@/components/TimeChart';
import { en } from './en';
import { pointsOf, type Point } from './runtime';
import { zh } from './zh';

/** Told apart on light and dark ground. */
const PUT = '#3b82d9';
const GET = '#c2680b';
/** A point is of two minutes. */
const EVERY_MS = 60_000;

/** 「TPS监控」 of one broker: C3 without the others. */
export function TpsTab({ broker }: { broker: string }) {
  const { instance, management } = useInstance();
  const { clusterName } = management;
  const query = usePoll({
    queryKey: ['instance', instance.id, 'tps'],
    queryFn: async () => {
      const params = { path: { clusterName }, query: management };
      return (await managed(api.GET('/api/manager/cluster/{clusterName}/tps', { params }))).rows;
    },
    every: EVERY_MS,
  });
  return <QueryState query={query}>{(points) => <Curves broker={broker} points={points} />}</QueryState>;
}

function Curves({ broker, points }: { broker: string; points: readonly Point[] }) {
  const t = useMessages({ zh, en });
  const { brokers } = useInstance().instance;
  const own = useMemo(() => pointsOf(points, brokers, broker), [points, brokers, broker]);
  const times = useMemo(() => own.map(({ crtTime }) => crtTime), [own]);
  const curves = useMemo(
    () => [
      { name: t('chart.put'), color: PUT, values: own.map(({ inTPS }) => inTPS) },
      { name: t('chart.get'), color: GET, values: own.map(({ outTPS }) => outTPS) },
    ],
    [own, t],
  );
  return <TimeChart name={t('chart.name', { broker })} times={times} curves={curves} />;
}
