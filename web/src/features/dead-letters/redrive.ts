/** Sends dead letters back, however long it takes: one call of the service ends after 30 s. */

export interface Wanted {
  /** These; all without. */
  messageIds?: readonly string[];
  /** Only those that came from this topic. */
  topic?: string;
  toTopic: boolean;
  ratePerSecond?: number;
  max?: number;
}

export interface Request {
  messageIds?: string[];
  topic?: string;
  toTopic: boolean;
  ratePerSecond?: number;
  max?: number;
}

interface Answer {
  redriven: number;
  more?: boolean;
}

const IDS_MAX = 1000;
/** Of the 30 s that one call may take, to be done in time. */
const CALL_SECONDS = 15;

/** How many may be named in one call. Letters that are named go again when they are named again. */
export function idsInCall(ratePerSecond: number | undefined): number {
  return ratePerSecond === undefined ? IDS_MAX : Math.min(IDS_MAX, Math.max(1, Math.floor(ratePerSecond * CALL_SECONDS)));
}

interface Watch {
  onProgress: (redriven: number) => void;
  isStopped: () => boolean;
}

/** How many went; a failure after some of them went is thrown all the same. */
export async function redrive(
  wanted: Wanted,
  send: (request: Request) => Promise<Answer>,
  { onProgress, isStopped }: Watch,
): Promise<number> {
  const { messageIds, max, ...rest } = wanted;
  let redriven = 0;
  const count = (answer: Answer) => {
    redriven += answer.redriven;
    onProgress(redriven);
  };
  if (messageIds !== undefined) {
    const step = idsInCall(wanted.ratePerSecond);
    for (let at = 0; at < messageIds.length && !isStopped(); at += step) {
      count(await send({ ...rest, messageIds: messageIds.slice(at, at + step) }));
    }
    return redriven;
  }
  for (let hasMore = true; hasMore && !isStopped(); ) {
    const left = max === undefined ? {} : { max: max - redriven };
    const answer = await send({ ...rest, ...left });
    count(answer);
    hasMore = answer.more === true && (max === undefined || redriven < max);
  }
  return redriven;
}
