/** Queries that several features need: what there is to choose from. */
import { queryOptions } from '@tanstack/react-query';
import { api, call, everyItem } from './client';
import type { components } from './schema';

export type Schemas = components['schemas'];
export type Instance = Schemas['InstanceJson'];
export type Plan = Schemas['PlanJson'];
export type Tenant = Schemas['TenantJson'];

/** Instances that the caller may see. */
export const instancesQuery = queryOptions({
  queryKey: ['instances'],
  queryFn: () => everyItem((query) => call(api.GET('/v1/instances', { params: { query } }))),
  staleTime: 10_000,
});

export const plansQuery = queryOptions({
  queryKey: ['plans'],
  queryFn: () => everyItem((query) => call(api.GET('/v1/plans', { params: { query } }))),
  staleTime: 60_000,
});

export const tenantsQuery = queryOptions({
  queryKey: ['tenants'],
  queryFn: () => everyItem((query) => call(api.GET('/v1/tenants', { params: { query } }))),
  staleTime: 60_000,
});

/** Topics of an instance, with their attributes. */
export const topicsQuery = (instance: Instance) =>
  queryOptions({
    queryKey: ['instance', instance.id, 'topics'],
    queryFn: () =>
      everyItem((query) =>
        call(api.GET('/v1/instances/{instance}/topics', { params: { path: { instance: instance.id }, query } })),
      ),
    staleTime: 10_000,
  });

/** Consumer groups of an instance, with their attributes. */
export const groupsQuery = (instance: Instance) =>
  queryOptions({
    queryKey: ['instance', instance.id, 'groups'],
    queryFn: () =>
      everyItem((query) =>
        call(api.GET('/v1/instances/{instance}/groups', { params: { path: { instance: instance.id }, query } })),
      ),
    staleTime: 10_000,
  });
