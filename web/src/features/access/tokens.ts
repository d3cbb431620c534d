import { api, call, done, everyItem } from '@/api/client';
import type { Schemas } from '@/api/shared';

export type Token = Schemas['ApiTokenJson'];
export type NewToken = Schemas['ApiTokenForm'];

/** One instance by its id, or all of the tenant. */
export interface Reach {
  tenant: number;
  instance: string | null;
}

export function tokensOf({ tenant, instance }: Reach): Promise<Token[]> {
  return everyItem((query) =>
    instance === null
      ? call(api.GET('/v1/tenants/{tenant}/tokens', { params: { path: { tenant: String(tenant) }, query } }))
      : call(api.GET('/v1/instances/{instance}/tokens', { params: { path: { instance }, query } })),
  );
}

export function createToken({ tenant, instance }: Reach, body: NewToken): Promise<Token> {
  return instance === null
    ? call(api.POST('/v1/tenants/{tenant}/tokens', { params: { path: { tenant: String(tenant) } }, body }))
    : call(api.POST('/v1/instances/{instance}/tokens', { params: { path: { instance } }, body }));
}

export function revokeToken({ tenant, instance }: Reach, token: string): Promise<void> {
  return instance === null
    ? done(api.DELETE('/v1/tenants/{tenant}/tokens/{token}', { params: { path: { tenant: String(tenant), token } } }))
    : done(api.DELETE('/v1/instances/{instance}/tokens/{token}', { params: { path: { instance, token } } }));
}
