import { useMemo } from 'react';
import type { Schemas } from '@/api/shared';
import { useMessages } from '@/components/i18n';
import { TimeChart, type Curve } from '@/components/TimeChart';
import { en } from './en';
import { filled, unitFor } from './numbers';
import { zh } from './zh';

export type Usage = Schemas['UsageJson'];
type Sum = 'messagesIn' | 'messagesOut' | 'bytesIn' | 'bytesOut' | 'storedByteHoursHot' | 'storedByteHoursCold';

const BLUE = '#2f7ed8';
const ORANGE = '#d9730d';
const HEIGHT = 220;

interface Props {
  lines: readonly Usage[];
  from: number;
  to: number;
  step: number;
}

/** Messages, bytes and what was stored, over time. */
export function UsageCharts({ lines, from, to, step }: Props) {
  const t = useMessages({ zh, en });
  const { times, charts } = useMemo(() => {
    const points = filled(lines, from, to, step);
    const values = (sum: Sum) => points.lines.map((line) => line?.[sum] ?? 0);
    const pair = (one: Sum, two: Sum) => {
      const [a, b] = [values(one), values(two)];
      const most = Math.max(0, ...a, ...b);
      return { a, b, ...unitFor(most) };
    };
    const curve = (name: string, color: string, all: number[], divisor: number): Curve => ({
      name,
      color,
      values: all.map((value) => value / divisor),
    });
    const messages = pair('messagesIn', 'messagesOut');
    const bytes = pair('bytesIn', 'bytesOut');
    const stored = pair('storedByteHoursHot', 'storedByteHoursCold');
    return {
      times: points.times,
      charts: [
        {
          name: t('chart.messages'),
          curves: [curve(t('chart.in'), BLUE, messages.a, 1), curve(t('chart.out'), ORANGE, messages.b, 1)],
        },
        {
          name: t('chart.bytes', { unit: bytes.unit }),
          curves: [curve(t('chart.in'), BLUE, bytes.a, bytes.divisor), curve(t('chart.out'), ORANGE, bytes.b, bytes.divisor)],
        },
        {
          name: t('chart.stored', { unit: stored.unit }),
          curves: [curve(t('chart.hot'), ORANGE, stored.a, stored.divisor), curve(t('chart.cold'), BLUE, stored.b, stored.divisor)],
        },
      ],
    };
  }, [lines, from, to, step, t]);
  return (
    <div className="usage-charts">
      {charts.map(({ name, curves }) => (
        <figure key={name}>
          <figcaption>{name}</figcaption>
          <TimeChart name={name} times={times} curves={curves} height={HEIGHT} />
        </figure>
      ))}
    </div>
  );
}
