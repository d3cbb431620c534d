import type { Translation } from '@/components/i18n';
import type { zh } from './zh';

export const en: Translation<typeof zh> = {
  template: 'Topic template',
  probe: 'Probe',
};
