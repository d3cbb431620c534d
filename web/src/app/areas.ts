/** The pages of the console: their place in the menu, who is shown them, and the feature that fills them. */
import type { ComponentType } from 'react';
import type { Person } from '@/api/session';
import type { zh } from './zh';

interface Feature {
  Component: ComponentType;
}

export interface Area {
  /** Last part of the address; a feature may have pages below it. */
  path: string;
  /** The title; pages that are only linked to have none. */
  label?: Extract<keyof typeof zh, `menu.${string}`>;
  load: () => Promise<Feature>;
  /** Everybody unless told. */
  isFor?: (person: Person) => boolean;
}

const operators = (person: Person) => person.role === 'operator';

/** Of one instance, below `/i/INSTANCE/`: the guide's pages in the guide's order. */
export const GUIDE: readonly Area[] = [
  { path: 'overview', label: 'menu.overview', load: () => import('@/features/overview') },
  { path: 'cluster', label: 'menu.cluster', load: () => import('@/features/cluster') },
  { path: 'users', label: 'menu.users', load: () => import('@/features/users') },
  { path: 'topics', label: 'menu.topics', load: () => import('@/features/topics') },
  { path: 'groups', label: 'menu.groups', load: () => import('@/features/groups') },
  { path: 'producers', label: 'menu.producers', load: () => import('@/features/producers') },
  { path: 'consumers', label: 'menu.consumers', load: () => import('@/features/consumers') },
  { path: 'messages', label: 'menu.messages', load: () => import('@/features/messages') },
  { path: 'probe', load: () => import('@/features/probe') },
];

/** Of one instance, beyond the guide. */
export const MORE: readonly Area[] = [
  { path: 'dead-letters', label: 'menu.dead-letters', load: () => import('@/features/dead-letters') },
  { path: 'transactions', label: 'menu.transactions', load: () => import('@/features/transactions') },
  { path: 'parked', label: 'menu.parked', load: () => import('@/features/parked') },
  { path: 'live', label: 'menu.live', load: () => import('@/features/live') },
  { path: 'quota', label: 'menu.quota', load: () => import('@/features/quota') },
  { path: 'start', label: 'menu.start', load: () => import('@/features/start') },
];

/** Of the deployment or a tenant. */
export const OPERATION: readonly Area[] = [
  { path: 'tenants', label: 'menu.tenants', load: () => import('@/features/tenants'), isFor: operators },
  { path: 'plans', label: 'menu.plans', load: () => import('@/features/plans'), isFor: operators },
  { path: 'billing', label: 'menu.billing', load: () => import('@/features/billing') },
  { path: 'audit', label: 'menu.audit', load: () => import('@/features/audit') },
  { path: 'access', label: 'menu.access', load: () => import('@/features/access') },
];

/** The home page. */
export const INSTANCES: Area = {
  path: 'instances',
  label: 'menu.instances',
  load: () => import('@/features/instances'),
};
