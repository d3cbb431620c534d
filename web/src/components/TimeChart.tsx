import { Skeleton } from 'antd';
import { lazy, Suspense } from 'react';

export interface Curve {
  name: string;
  /** A CSS colour that is told from the others on light and dark ground. */
  color: string;
  values: readonly (number | null)[];
}

export interface TimeChartProps {
  /** What it shows, for those who cannot see it. */
  name: string;
  /** ms since 1970, ascending. */
  times: readonly number[];
  curves: readonly Curve[];
  height?: number;
}

/** uPlot comes with the first chart that is looked at. */
const Plot = lazy(() => import('./Plot'));

/** Curves over time. */
export function TimeChart(props: TimeChartProps) {
  return (
    <Suspense fallback={<Skeleton active />}>
      <Plot {...props} />
    </Suspense>
  );
}
