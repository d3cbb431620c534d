import type { ReactNode } from 'react';

/** A word for a state, in a colour that can be read on light and dark ground. */
export function Status({ is = 'plain', children }: { is?: 'good' | 'bad' | 'waiting' | 'plain'; children: ReactNode }) {
  return <span className={`status status-${is}`}>{children}</span>;
}
