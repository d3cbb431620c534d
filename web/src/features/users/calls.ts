/** Calls about application users, and what is kept of their answers. */
import { queryOptions } from '@tanstack/react-query';
import { api, call, done, everyItem } from '@/api/client';
import type { Instance, Schemas } from '@/api/shared';

export type User = Schemas['UserJson'];

export const usersKey = (instance: Instance) => ['instance', instance.id, 'users'];

export const usersPoll = (instance: Instance) => ({
  queryKey: usersKey(instance),
  queryFn: () =>
    everyItem((query) =>
      call(api.GET('/v1/instances/{instance}/users', { params: { path: { instance: instance.id }, query } })),
    ),
});

export const userQuery = (instance: Instance, accessKey: string) =>
  queryOptions({
    queryKey: [...usersKey(instance), accessKey],
    queryFn: () => call(api.GET('/v1/instances/{instance}/users/{access_key}', { params: at(instance, accessKey) })),
  });

const at = (instance: Instance, accessKey: string) => ({ path: { instance: instance.id, access_key: accessKey } });

export function createUser(instance: Instance, body: Schemas['NewUserForm']): Promise<User> {
  return call(api.POST('/v1/instances/{instance}/users', { params: { path: { instance: instance.id } }, body }));
}

export function changeUser(instance: Instance, accessKey: string, body: Schemas['UserChangeForm']): Promise<User> {
  return call(api.PATCH('/v1/instances/{instance}/users/{access_key}', { params: at(instance, accessKey), body }));
}

export function removeUser(instance: Instance, accessKey: string): Promise<void> {
  return done(api.DELETE('/v1/instances/{instance}/users/{access_key}', { params: at(instance, accessKey) }));
}

/** The secret, which no query keeps; the service notes who asked. */
export async function secretOf(instance: Instance, accessKey: string): Promise<string> {
  const params = { ...at(instance, accessKey), query: { reveal: true } };
  const { secretKey } = await call(api.GET('/v1/instances/{instance}/users/{access_key}', { params }));
  return secretKey ?? '';
}

/** The new secret. */
export async function rotate(instance: Instance, accessKey: string, graceSeconds: number): Promise<string> {
  const params = at(instance, accessKey);
  const answer = api.POST('/v1/instances/{instance}/users/{access_key}/rotate', { params, body: { graceSeconds } });
  return (await call(answer)).secretKey ?? '';
}
