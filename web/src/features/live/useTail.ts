import { useEffect, useMemo, useState } from 'react';
import { api, call } from '@/api/client';
import { asFailure, type ApiFailure } from '@/api/failure';
import type { Schemas } from '@/api/shared';
import { pauseOf, Tail, withNew, type Page, type Place } from './tail';

export type Message = Schemas['MessageJson'];

/** What is kept on the page. */
export const SHOWN_MAX = 500;

export interface Wanted {
  topic: string;
  filterType: 'TAG' | 'SQL92';
  filter: string;
}

interface State {
  messages: Message[];
  hasGap: boolean;
  failure: ApiFailure | null;
  /** A turn has ended: it is known whether there is anything. */
  hasLooked: boolean;
}

const START: State = { messages: [], hasGap: false, failure: null, hasLooked: false };

function peekOf(instance: string, { topic, filterType, filter }: Wanted) {
  const filtered = filter === '' ? {} : { filter, filterType };
  return async (place: Place): Promise<Page<Message>> => {
    const params = { path: { instance, topic }, query: { ...place, ...filtered } };
    const answer = api.GET('/v1/instances/{instance}/topics/{topic}/peek', { params });
    const { messages, cursor } = await call(answer);
    const date = Date.parse((await answer).response.headers.get('date') ?? '');
    // The browser's clock is the best that is left when a proxy dropped the header.
    return { messages, cursor: cursor ?? null, now: Number.isNaN(date) ? Date.now() : date };
  };
}

/** Looks at a topic again and again until it is paused or left. */
export function useTail(instance: string, wanted: Wanted, isPaused: boolean) {
  const { topic, filterType, filter } = wanted;
  const tail = useMemo(
    () => new Tail<Message>(peekOf(instance, { topic, filterType, filter })),
    [instance, topic, filterType, filter],
  );
  const [kept, keep] = useState<{ of: Tail<Message>; state: State }>({ of: tail, state: START });
  const state = kept.of === tail ? kept.state : START;
  useEffect(() => {
    if (isPaused || topic === '') {
      return;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    let [quiet, failures, isLeft] = [0, 0, false];
    const change = (next: (before: State) => State) =>
      keep((before) => ({ of: tail, state: next(before.of === tail ? before.state : START) }));
    const turn = async () => {
      let retryAfter: number | null = null;
      if (!document.hidden) {
        try {
          const { messages, hasGap } = await tail.turn();
          [quiet, failures] = [messages.length === 0 ? quiet + 1 : 0, 0];
          change((before) => ({
            messages: withNew(before.messages, messages, SHOWN_MAX),
            hasGap: before.hasGap || hasGap,
            failure: null,
            hasLooked: true,
          }));
        } catch (thrown) {
          const failure = asFailure(thrown);
          failures += 1;
          retryAfter = failure.retryAfterSeconds;
          change((before) => ({ ...before, failure, hasLooked: true }));
        }
      }
      // The answer of a turn may come after the page was left.
      if (!isLeft) {
        timer = setTimeout(() => void turn(), pauseOf(quiet, failures, retryAfter));
      }
    };
    void turn();
    return () => {
      isLeft = true;
      clearTimeout(timer);
    };
  }, [tail, isPaused, topic]);
  const clear = () => keep({ of: tail, state: { ...START, hasLooked: true } });
  return { ...state, clear };
}
