/** Codes of groups in words. */
import type { Translate } from '@/components/i18n';
import type { GroupRow } from './groups';
import type { zh } from './zh';

type T = Translate<typeof zh>;

export function startText({ firstConsumeMechanism }: GroupRow, t: T): string {
  switch (firstConsumeMechanism) {
    case 1:
      return t('start.1');
    case 2:
      return t('start.2');
    case 3:
      return t('start.3');
    default:
      return String(firstConsumeMechanism);
  }
}

export function mechanismText({ pullMechanism }: GroupRow, t: T): string {
  switch (pullMechanism) {
    case 1:
      return t('mechanism.1');
    case 2:
      return t('mechanism.2');
    default:
      return String(pullMechanism);
  }
}
