import type { ComponentType } from 'react';
import type { Instance } from '@/api/shared';

interface Props {
  instance: Instance;
  brokers: readonly string[];
  /** Names of the topics that are ticked. */
  selected: readonly string[];
  /** What the list is limited to; empty is all. */
  filter: { broker: string; topic: string };
  onDone: () => void;
}

export const TopicBatchActions: ComponentType<Props> = () => null;
