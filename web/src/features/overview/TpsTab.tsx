import { useMemo } from 'react';
import { useMessages } from '@/components/i18n';
import { QueryState } from '@/components/QueryState';
import { TimeChart } from '@/components/TimeChart';
import { en } from './en';
import { useTps } from './queries';
import { nowAndPeak, summedTps } from './ranking';
import { zh } from './zh';

/** Told apart on light and dark ground. */
const PUT = '#3b82d9';
const GET = '#c2680b';

/** 「TPS监控」: all brokers and topics of the instance. */
export function TpsTab() {
  const t = useMessages({ zh, en });
  const query = useTps();
  const { data } = query;
  const tps = useMemo(() => summedTps(data ?? []), [data]);
  const curves = useMemo(
    () => [
      { name: t('tps.put'), color: PUT, values: tps.put },
      { name: t('tps.get'), color: GET, values: tps.get },
    ],
    [t, tps],
  );
  const [put, get] = [nowAndPeak(tps.put), nowAndPeak(tps.get)];
  return (
    <QueryState query={query}>
      {() => (
        <>
          <p>{t('tps.now', { put: put.now, putPeak: put.peak, get: get.now, getPeak: get.peak })}</p>
          <TimeChart name={t('tps.chart')} times={tps.times} curves={curves} />
        </>
      )}
    </QueryState>
  );
}
