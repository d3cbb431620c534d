import type { Translation } from '@/components/i18n';
import type { zh } from './zh';

export const en: Translation<typeof zh> = {
  title: 'Producer groups',
  'filter.broker': 'Broker',
  'filter.group': 'Producer group',
  group: 'Producer group',
  topic: 'Topic',
  actions: 'Actions',
  instances: 'Connected instances',
  'instances.title': 'Producer instances',
  ip: 'IP',
  instance: 'Instance name',
  language: 'Client language',
  version: 'Version',
};
