import { theme } from 'antd';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { en } from './en';
import { useMessages } from './i18n';
import { useTimes } from './instance';
import type { TimeChartProps } from './TimeChart';
import { zh } from './zh';

const HEIGHT = 300;

/** A uPlot that is as wide as its place. */
export default function Plot({ name, times, curves, height = HEIGHT }: TimeChartProps) {
  const t = useMessages({ zh, en });
  const place = useRef<HTMLDivElement>(null);
  const { token } = theme.useToken();
  const time = t('chart.time');
  const { second } = useTimes();
  const { colorText, colorSplit } = token;
  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return;
    }
    const axis = { stroke: colorText, grid: { stroke: colorSplit }, ticks: { stroke: colorSplit } };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height,
        series: [
          { label: time, value: (_, seconds: number | null) => (seconds === null ? '-' : second(seconds * 1000)) },
          ...curves.map(({ name: label, color }) => ({
            label,
            stroke: color,
            width: 2,
            value: (_: uPlot, value: number | null) => (value === null ? '-' : value.toFixed(3)),
          })),
        ],
        axes: [
          {
            ...axis,
            values: (_, ticks) => {
              // Over more than two days the date tells more than the time of day.
              const isLong = (ticks.at(-1) ?? 0) - (ticks[0] ?? 0) > 2 * 86_400;
              return ticks.map((seconds) => second(seconds * 1000).slice(...(isLong ? [5, 10] : [11, 16])));
            },
          },
          axis,
        ],
        scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
      },
      [times.map((ms) => ms / 1000), ...curves.map((curve) => [...curve.values])],
      element,
    );
    const observer = new ResizeObserver(() => {
      plot.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [times, curves, height, time, second, colorText, colorSplit]);
  return <div ref={place} className="plot" role="img" aria-label={name} />;
}
