/** The instance that the page's address names. */
import { createContext, useContext, useMemo } from 'react';
import type { Instance } from '@/api/shared';
import { minuteText, secondText } from './time';

export const InstanceContext = createContext<{ instance: Instance; key: string } | null>(null);

interface Chosen {
  instance: Instance;
  /** Path and query of calls of the management API. */
  management: { tenantId: string; clusterName: string };
  /** The path of a page of this instance: `path('topics', name)`. */
  path: (...segments: string[]) => string;
}

/** How the address names an instance: the operator may see several of one name. */
export function instanceKey(instance: Instance, all: readonly Instance[]): string {
  return all.some((other) => other.id !== instance.id && other.name === instance.name) ? instance.id : instance.name;
}

export function instancePath(key: string, ...segments: string[]): string {
  return ['/i', key, ...segments].map((part, at) => (at === 0 ? part : encodeURIComponent(part))).join('/');
}

export function useInstance(): Chosen {
  const chosen = useContext(InstanceContext);
  if (chosen === null) {
    throw new Error('this page is not below /i/INSTANCE');
  }
  const { instance, key } = chosen;
  return {
    instance,
    management: { tenantId: String(instance.tenantId), clusterName: instance.name },
    path: (...segments) => instancePath(key, ...segments),
  };
}

/** Times as the guide writes them, in the zone of the page's instance, else of the browser. */
export function useTimes(): { minute: (ms: number | null | undefined) => string; second: (ms: number | null | undefined) => string } {
  const zone = useContext(InstanceContext)?.instance.timeZone;
  return useMemo(() => ({ minute: (ms) => minuteText(ms, zone), second: (ms) => secondText(ms, zone) }), [zone]);
}
