/** Answers that are worth another try, as MLflow's Python client sees it. */
export const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** What is known of a failed request. */
export interface MlflowFailure {
  /** 0 when no answer came. */
  httpStatus: number;
  /** MLflow's word (`RESOURCE_DOES_NOT_EXIST` …), the system's (`ECONNREFUSED`, `TIMEOUT` …) or `HTTP_<status>`. */
  errorCode: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** Whether the server may have done what was asked all the same. */
  uncertain: boolean;
  /** Milliseconds that the server asked to wait; undefined if it did not. */
  retryAfter?: number;
}

/** A request to an MLflow server that failed. Its message names server and call, and never holds a credential. */
export class MlflowError extends Error implements MlflowFailure {
  override readonly name = 'MlflowError';
  readonly httpStatus: number;
  readonly errorCode: string;
  readonly retryable: boolean;
  readonly uncertain: boolean;
  readonly retryAfter?: number;

  constructor(message: string, failure: MlflowFailure) {
    super(message);
    this.httpStatus = failure.httpStatus;
    this.errorCode = failure.errorCode;
    this.retryable = failure.retryable;
    this.uncertain = failure.uncertain;
    this.retryAfter = failure.retryAfter;
  }
}

/** Whether `error` is a server's answer with this word of MLflow's. */
export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof MlflowError && error.errorCode === code;
