/** What went wrong with a call, in the words of the service. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';

  constructor(
    /** 0 when no answer came. */
    readonly status: number,
    /** The service's own word, such as `TOPIC_NOT_FOUND`; `NETWORK` when no answer came. */
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
    readonly details: Readonly<Record<string, unknown>> = {},
    readonly retryAfterSeconds: number | null = null,
    /** Whether the same call may work later. */
    readonly isRetryable = false,
  ) {
    super(message);
  }

  /** The limit that was met, if one was: `instance`, `topic` or `groupTopic`, and its rate. */
  get limit(): { name: string; tps: number } | null {
    const { limit, limitTps } = this.details;
    return typeof limit === 'string' && typeof limitTps === 'number' ? { name: limit, tps: limitTps } : null;
  }

  /** The call may have had its effect all the same: look before you repeat it. */
  get isOutcomeUnknown(): boolean {
    return this.status === 0 || this.details['outcomeUnknown'] === true;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/**
 * The failure that an answer tells: `{"error":{…}}` of the native API, or the envelope
 * `{"code","message"}` of the management API.
 */
export function failureOf(response: Response, body: unknown): ApiFailure {
  const envelope = isRecord(body) ? body : {};
  const error = isRecord(envelope['error']) ? envelope['error'] : envelope;
  const seconds = Number(response.headers.get('retry-after') ?? '');
  return new ApiFailure(
    response.status,
    text(error['code']) ?? `HTTP_${response.status}`,
    text(error['message']) ?? response.statusText,
    text(error['requestId']) ?? response.headers.get('firn-request-id'),
    isRecord(error['details']) ? error['details'] : {},
    seconds > 0 ? seconds : null,
    error['retryable'] === true || response.status === 429 || response.status === 503,
  );
}

/** Anything that was thrown, as a failure. */
export function asFailure(thrown: unknown): ApiFailure {
  if (thrown instanceof ApiFailure) {
    return thrown;
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiFailure(0, 'NETWORK', message, null, {}, null, true);
}
