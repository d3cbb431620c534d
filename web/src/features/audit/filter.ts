import type { AuditFilter } from '@/api/audit';

/** What a refused call is called in the log. */
export const DENIED = 'denied';

/** As the filter's fields have it; the empty text is all. */
export interface Fields {
  range: readonly [{ valueOf: () => number }, { valueOf: () => number }] | null;
  caller?: string;
  action?: string;
  outcome: '' | typeof DENIED;
  /** Id of an instance. */
  instance: string;
}

const MINUTE_MS = 60_000;

/** A refused call has no other action than that. */
export function filterOf({ range, caller, action, outcome, instance }: Fields, tenant: number | null): AuditFilter {
  const name = outcome === DENIED ? DENIED : (action?.trim() ?? '');
  const by = caller?.trim() ?? '';
  return {
    // Minutes are chosen: the last one counts to its end.
    ...(range === null ? {} : { from: range[0].valueOf(), to: range[1].valueOf() + MINUTE_MS - 1 }),
    ...(name === '' ? {} : { action: name }),
    ...(by === '' ? {} : { caller: by }),
    ...(instance === '' ? {} : { object: instance }),
    ...(tenant === null ? {} : { tenant }),
  };
}

/** Actions to choose from; others can be typed. */
export const ACTIONS = [
  'account.read',
  'bootstrap.apply',
  'catalogue.restore',
  'consoleUser.change',
  'consoleUser.create',
  'consoleUser.delete',
  'denied',
  'group.change',
  'group.create',
  'group.delete',
  'group.redrive',
  'instance.change',
  'instance.create',
  'instance.delete',
  'instance.erased',
  'instance.expire',
  'instance.freeze',
  'parked.deadLetter',
  'parked.retry',
  'parked.skip',
  'plan.create',
  'priceList.add',
  'tenant.create',
  'tenant.delete',
  'tenant.rename',
  'token.create',
  'token.delete',
  'topic.change',
  'topic.create',
  'topic.delete',
  'topic.purge',
  'transaction.commit',
  'transaction.rollback',
  'user.change',
  'user.create',
  'user.delete',
  'user.reveal',
  'user.rotate',
] as const;
