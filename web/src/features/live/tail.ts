/**
 * New messages of a topic, by looking at it again and again. A peek takes no lease and
 * moves no progress, so no group notices; a stream would need a group of its own.
 */

export interface Seen {
  offsetMessageId: string;
  storeTimestamp: number;
}

export interface Page<M> {
  messages: M[];
  cursor?: string | null;
  /** The service's clock when it answered, ms. */
  now: number;
}

export interface Place {
  /** `latest` at first, then a store time. */
  from: string;
  max: number;
  cursor?: string;
}

export interface Turn<M> {
  /** Oldest first. */
  messages: M[];
  /** There was more than is looked at in one turn: some were left out. */
  hasGap: boolean;
}

/** Messages of each queue that are there at first. */
const FIRST = 5;
const PAGE = 200;
const PAGES = 5;
/** Brokers' clocks differ a little, and what was stored earlier may be seen later. */
const OVERLAP_MS = 3000;
/** The service tells its time in whole seconds. */
const STEP_MS = 1000;

const QUICK_MS = 1000;
const SLOW_MS = 5000;
const LONGEST_MS = 60_000;

/** When to look again: soon while messages come, slower while none do, slower still after failures. */
export function pauseOf(quietTurns: number, failures: number, retryAfterSeconds: number | null): number {
  if (failures > 0) {
    const backedOff = Math.min(QUICK_MS * 2 ** Math.min(failures, 10), LONGEST_MS);
    return Math.max(backedOff, (retryAfterSeconds ?? 0) * 1000);
  }
  return Math.min(QUICK_MS * (1 + Math.floor(quietTurns / 5)), SLOW_MS);
}

export class Tail<M extends Seen> {
  #from: number | null = null;
  /** Store times of what was shown and may be found again. */
  #shown = new Map<string, number>();

  constructor(private readonly peek: (place: Place) => Promise<Page<M>>) {}

  /** What came since the last turn. After a failure the same is looked for again. */
  async turn(): Promise<Turn<M>> {
    const isFirst = this.#from === null;
    const from = this.#from === null ? 'latest' : String(this.#from);
    const found: M[] = [];
    let began: number | null = null;
    let cursor: string | null | undefined;
    for (let pages = 0; pages < PAGES; pages++) {
      const max = isFirst ? FIRST : PAGE;
      const page = await this.peek(cursor == null ? { from, max } : { from, max, cursor });
      began ??= page.now;
      found.push(...page.messages);
      cursor = page.cursor;
      if (cursor == null) {
        break;
      }
    }
    // At first the pages behind are of other queues; they have their turn from now on.
    const hasGap = cursor != null && !isFirst;
    // What was left out is not looked through again: it would be in the way of what is new.
    const next = Math.max(this.#from ?? 0, (began ?? 0) + (hasGap ? STEP_MS : -OVERLAP_MS));
    const fresh = found.filter(({ offsetMessageId }) => !this.#shown.has(offsetMessageId));
    for (const { offsetMessageId, storeTimestamp } of fresh) {
      this.#shown.set(offsetMessageId, storeTimestamp);
    }
    for (const [id, time] of this.#shown) {
      if (time < next) {
        this.#shown.delete(id);
      }
    }
    this.#from = next;
    fresh.sort((a, b) => a.storeTimestamp - b.storeTimestamp);
    return { messages: fresh, hasGap };
  }
}

/** Newest first, no more than `max`. */
export function withNew<M>(shown: readonly M[], fresh: readonly M[], max: number): M[] {
  return [...fresh].reverse().concat(shown).slice(0, max);
}
