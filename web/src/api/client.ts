/** The one client of the service, typed by its OpenAPI document. */
import createClient, { type Middleware } from 'openapi-fetch';
import { ApiFailure, asFailure, failureOf } from './failure';
import type { paths } from './schema';
import { accessToken, expire, renew } from './session';

const credentials: Middleware = {
  async onRequest({ request }) {
    const token = await accessToken();
    if (token !== null) {
      request.headers.set('authorization', `Bearer ${token}`);
    }
    return request;
  },
};

/** Sends once more with a new token when the old one was not good any more. */
async function patient(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await fetch(request);
  if (response.status !== 401) {
    return response;
  }
  const token = await renew();
  if (token === null) {
    expire();
    return response;
  }
  again.headers.set('authorization', `Bearer ${token}`);
  const second = await fetch(again);
  if (second.status === 401) {
    expire();
  }
  return second;
}

/** `omit`, because the browser would ask for a password itself when an answer is 401. */
export const api = createClient<paths>({ fetch: patient, credentials: 'omit' });
api.use(credentials);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What a call answers; throws an `ApiFailure` otherwise. For the functions of queries. */
export async function call<T>(answer: Promise<Answer<T>>): Promise<NonNullable<T>> {
  let got: Answer<T>;
  try {
    got = await answer;
  } catch (thrown) {
    throw asFailure(thrown);
  }
  if (!got.response.ok) {
    throw failureOf(got.response, got.error);
  }
  if (got.data === undefined || got.data === null) {
    throw new ApiFailure(got.response.status, 'NO_CONTENT', 'the answer has no content');
  }
  return got.data;
}

/** The same for calls that answer nothing when they did what they should (204). */
export async function done(answer: Promise<Answer<unknown>>): Promise<void> {
  let got: Answer<unknown>;
  try {
    got = await answer;
  } catch (thrown) {
    throw asFailure(thrown);
  }
  if (!got.response.ok) {
    throw failureOf(got.response, got.error);
  }
}

/** The `result` of a call of the management API (`/api/…`). */
export async function managed<R>(answer: Promise<Answer<{ result: R }>>): Promise<R> {
  return (await call(answer)).result;
}

/** A call outside the described shapes, such as a file: the answer as it came, if it is one. */
export async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    const request = new Request(path, { ...init, credentials: 'omit' });
    const token = await accessToken();
    if (token !== null) {
      request.headers.set('authorization', `Bearer ${token}`);
    }
    const response = await patient(request);
    if (response.ok) {
      return response;
    }
    throw failureOf(response, await response.json().catch(() => null));
  } catch (thrown) {
    throw asFailure(thrown);
  }
}

const PAGE_ITEMS = 1000;
const PAGES_MAX = 20;

/** All items of a list of the native API, page after page, up to 20,000. */
export async function everyItem<T>(
  page: (query: { max: number; cursor?: string }) => Promise<{ items: T[]; cursor?: string | null }>,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const got = await page(cursor == null ? { max: PAGE_ITEMS } : { max: PAGE_ITEMS, cursor });
    items.push(...got.items);
    cursor = got.cursor;
    if (cursor == null) {
      break;
    }
  }
  return items;
}
