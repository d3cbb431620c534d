import type { ComponentType } from 'react';
import type { Instance } from '@/api/shared';

interface Props {
  instance: Instance;
  /** From the page's filter; none is all. */
  brokers: readonly string[];
  /** Names of the topics that are ticked. */
  selected: readonly string[];
  onDone: () => void;
}

export const TopicBatchActions: ComponentType<Props> = () => null;
