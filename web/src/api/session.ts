/**
 * Who is logged in. The access token lives in this module only; the refresh token in the
 * tab's session storage, because the service hands it out in a body, and a reload of the
 * page should not ask for the password again. Both end with the tab or by logging out.
 */
import createClient from 'openapi-fetch';
import { asFailure, failureOf } from './failure';
import type { components, paths } from './schema';

export type Role = components['schemas']['RoleWord'] | 'operator';

/** A console user: the operator is of no tenant. */
export interface Person {
  username: string;
  tenant: number | null;
  role: Role;
}

/** `unknown` until it is clear whether the login of before a reload still holds. */
export type Session =
  | { state: 'unknown' }
  | { state: 'out'; why: 'start' | 'left' | 'expired' }
  | { state: 'in'; person: Person };

interface Login {
  token: string;
  refreshToken: string;
  /** By this machine's clock. */
  renewAt: number;
  username: string;
  tenant: number | null;
}

const KEPT = 'firn.login';
/** A token is renewed this long before it ends. */
const EARLY_MS = 60_000;
const LIFE_MIN_MS = 60_000;
const LIFE_MAX_MS = 15 * 60_000;

/** `omit`, because the browser would ask for a password itself when an answer is 401. */
const open = createClient<paths>({ credentials: 'omit' });
let login: Login | null = null;
let renewal: Promise<string | null> | null = null;
let session: Session = { state: 'unknown' };
const watchers = new Set<() => void>();

function become(next: Session): void {
  session = next;
  watchers.forEach((watcher) => watcher());
}

/** For `useSyncExternalStore`. */
export function watchSession(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function currentSession(): Session {
  return session;
}

type Answer = components['schemas']['TokenAnswer'];
type Name = Pick<Person, 'username' | 'tenant'>;

function take(answer: Answer, name: Name): Login {
  const life = Math.min(Math.max(answer.expiresAt - Date.now(), LIFE_MIN_MS), LIFE_MAX_MS);
  const refreshToken = answer.refreshToken ?? '';
  login = { ...name, token: answer.token, refreshToken, renewAt: Date.now() + life - EARLY_MS };
  sessionStorage.setItem(KEPT, JSON.stringify({ ...name, refreshToken }));
  return login;
}

/** A role is not in the token: it may change while the token is valid. */
async function roleOf({ token, username, tenant }: Login): Promise<Role> {
  if (tenant === null) {
    return 'operator';
  }
  const { data, error, response } = await open.GET('/v1/tenants/{tenant}/users/{username}', {
    params: { path: { tenant: String(tenant), username } },
    headers: { authorization: `Bearer ${token}` },
  });
  if (data === undefined) {
    throw failureOf(response, error);
  }
  return data.role;
}

/** Logs a person in; throws the failure to show. */
export async function logIn(name: Name, password: string): Promise<void> {
  try {
    const { data, error, response } = await open.POST('/v1/auth/login', {
      body: { username: name.username, password, ...(name.tenant === null ? {} : { tenant: name.tenant }) },
    });
    if (data === undefined) {
      throw failureOf(response, error);
    }
    const role = await roleOf(take(data, name));
    become({ state: 'in', person: { ...name, role } });
  } catch (thrown) {
    forget();
    throw asFailure(thrown);
  }
}

function forget(): void {
  login = null;
  sessionStorage.removeItem(KEPT);
}

/** Ends the login here and at the service; here even if the service does not answer. */
export async function logOut(): Promise<void> {
  const ending = login;
  forget();
  become({ state: 'out', why: 'left' });
  if (ending !== null) {
    const { token, refreshToken } = ending;
    const body = { refreshToken };
    await open.POST('/v1/auth/logout', { body, headers: { authorization: `Bearer ${token}` } }).catch(() => null);
  }
}

/** The service no longer knows the login. */
export function expire(): void {
  forget();
  if (session.state !== 'out') {
    become({ state: 'out', why: session.state === 'in' ? 'expired' : 'start' });
  }
}

function kept(): (Name & { refreshToken: string }) | null {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
    if (typeof value !== 'object' || value === null) {
      return null;
    }
    const { username, tenant, refreshToken } = value as Record<string, unknown>;
    const isTenant = tenant === null || typeof tenant === 'number';
    return typeof username === 'string' && typeof refreshToken === 'string' && isTenant
      ? { username, tenant, refreshToken }
      : null;
  } catch {
    return null;
  }
}

/** Goes on with the login of before a reload, if there is one. */
export async function resume(): Promise<void> {
  const before = kept();
  if (before === null) {
    become({ state: 'out', why: 'start' });
    return;
  }
  login = { token: '', renewAt: 0, ...before };
  try {
    if ((await renew()) === null) {
      return;
    }
    const role = await roleOf(login);
    become({ state: 'in', person: { username: before.username, tenant: before.tenant, role } });
  } catch {
    expire();
  }
}

/** A valid access token, renewed if it is about to end; `null` when nobody is logged in. */
export async function accessToken(): Promise<string | null> {
  if (login === null) {
    return null;
  }
  return Date.now() < login.renewAt ? login.token : renew();
}

/** One renewal at a time, whoever asks. */
export function renew(): Promise<string | null> {
  renewal ??= renewOnce().finally(() => {
    renewal = null;
  });
  return renewal;
}

async function renewOnce(): Promise<string | null> {
  const before = login;
  if (before === null) {
    return null;
  }
  const { refreshToken } = before;
  const { data, error, response } = await open.POST('/v1/auth/refresh', { body: { refreshToken } });
  if (data !== undefined) {
    return take(data, { username: before.username, tenant: before.tenant }).token;
  }
  if (response.status === 401) {
    expire();
    return null;
  }
  throw failureOf(response, error);
}

/** What menus and buttons show; what is allowed the service decides. */
export function rightsOf(person: Person): { deploy: boolean; manage: boolean } {
  return { deploy: person.role === 'operator', manage: person.role !== 'viewer' };
}

