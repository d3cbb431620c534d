import type { Translate } from '@/components/i18n';
import type { zh } from './zh';

type T = Translate<typeof zh>;

/** 6, 4 and 2 in words; what is not known as it came. */
export function permissionText(perm: number, t: T): string {
  return perm === 6 || perm === 4 || perm === 2 ? t(`permission.${perm}`) : String(perm);
}

export function orderText(order: boolean, t: T): string {
  return t(order ? 'order.true' : 'order.false');
}

/** 「未消费」 and the like; nothing when no group was asked about. */
export function statusText(status: string | null | undefined, t: T): string {
  switch (status) {
    case 'TO_CONSUME':
    case 'CONSUMED':
    case 'CONSUMING':
      return t(`status.${status}`);
    default:
      return status ?? '-';
  }
}
