import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, reason } from '../fault.js';
import type { ServerSettings } from './settings.js';

/** A request to an MLflow server that failed. Its message names server and call, and never holds a credential. */
export class MlflowError extends Error {
  override readonly name = 'MlflowError';
  constructor(
    message: string,
    /** 0 when no answer came. */
    readonly httpStatus: number,
    /** MLflow's code (`RESOURCE_DOES_NOT_EXIST` …), the system's (`ECONNREFUSED`, `TIMEOUT` …) or `HTTP_<status>`. */
    readonly errorCode: string,
    /** Whether the same request may succeed later. */
    readonly retryable: boolean,
    /** Milliseconds that the server asked to wait; undefined if it did not. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Whether `error` is a server's answer with this code of MLflow's. */
export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof MlflowError && error.errorCode === code;

/** Whether `error` says that the server can do nothing now (away, no login, no MLflow), not that it refuses one thing. */
export const isServerDown = (error: unknown): boolean =>
  error instanceof MlflowError &&
  (error.retryable || error.httpStatus < 400 || [401, 403].includes(error.httpStatus));

/** One request to the server. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** From the server's address on: `/api/2.0/mlflow/runs/get`; or a whole address. */
  path: string;
  query?: Record<string, string>;
  /** Body as JSON … */
  json?: unknown;
  /** … or bytes; the time allowed grows with them. */
  body?: Blob;
  /** Not repeated on failure: who calls finds out first what the server did. */
  once?: boolean;
}

/** Makes requests; resolves to the text of the answer. Throws {@link MlflowError}, or what its signal was aborted with. */
export type Request = (call: Call) => Promise<string>;

const readPem = (path: string | undefined, name: string): string | undefined => {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Fault(`${name}: ${path}; it cannot be read: ${reason(error)}`);
  }
};

/** Node's own fetch, or undici's where a certificate or a proxy is set: the built-in one of Node 20 takes neither. */
const chooseFetch = async ({ tls }: ServerSettings): Promise<typeof fetch> => {
  const isProxied = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some(
    (name) => process.env[name],
  );
  if (!isProxied && !tls.insecure && tls.caPath === undefined && tls.certPath === undefined) return fetch;
  const undici = await import('undici');
  const cert = readPem(tls.certPath, 'MLFLOW_TRACKING_CLIENT_CERT_PATH');
  const ca = readPem(tls.caPath, 'MLFLOW_TRACKING_SERVER_CERT_PATH');
  const connect = { rejectUnauthorized: !tls.insecure, ca, cert, key: cert };
  const dispatcher = isProxied
    ? new undici.EnvHttpProxyAgent({ connect, requestTls: connect })
    : new undici.Agent({ connect });
  return ((input: string, init: object) =>
    undici.fetch(input, { ...init, dispatcher })) as unknown as typeof fetch;
};

/** A failure in words, before the server's address is set before it. */
type Failure = [
  text: string,
  ...rest: [httpStatus: number, code: string, retryable: boolean, after?: number],
];

const certificateAdvice =
  'set MLFLOW_TRACKING_SERVER_CERT_PATH to the certificate of its authority (or MLFLOW_TRACKING_INSECURE_TLS=true to trust any)';

const networkFailure = (error: unknown): Failure => {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if ((error as Error).name === 'TimeoutError') return ['it did not answer in time', 0, 'TIMEOUT', true];
  const code = cause?.code ?? 'NETWORK';
  if (/CERT|SIGNATURE|ALTNAME|SSL/i.test(code))
    return [`its certificate is not trusted (${code}); ${certificateAdvice}`, 0, code, false];
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code))
    return [`it cannot be reached (${code})`, 0, code, true];
  return [`the connection broke (${code}${cause?.message ? `: ${cause.message}` : ''})`, 0, code, true];
};

const waitAsked = (answer: Response): number | undefined => {
  const text = answer.headers.get('retry-after')?.trim();
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
};

const advice = (status: number, text: string): string => {
  if (status === 401)
    return '; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN';
  if (status === 403 && /host header/i.test(text))
    return '; start the server with --allowed-hosts (or MLFLOW_SERVER_ALLOWED_HOSTS) naming the host of this address';
  if (status === 503 && /artifact/i.test(text)) return '; start the server without --no-serve-artifacts';
  if (status >= 300 && status < 400) return '; give the address that it points to';
  return status === 404 ? '; check the address and its path' : '';
};

const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** The error in an answer: MLflow's JSON, or the first words of whatever else a proxy says. */
const answerFailure = (answer: Response, body: string): Failure => {
  const { status } = answer;
  let code = `HTTP_${status}`;
  let text = body.replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ').slice(0, 200);
  try {
    const parsed = JSON.parse(body) as { error_code?: string; message?: string };
    code = parsed.error_code ?? code;
    text = parsed.message?.slice(0, 400) ?? text;
  } catch {
    // not MLflow's own words
  }
  const location = answer.headers.get('location');
  if (location) text = `it points to ${location.replace(/\/\/[^/@]*@/, '//')}`;
  text = `${status} ${text.replace(/\s+/g, ' ').trim()}`.trim();
  const isMlflow = code !== `HTTP_${status}`;
  return [
    text + (isMlflow ? '' : advice(status, text)),
    status,
    code,
    retryableStatuses.has(status),
    waitAsked(answer),
  ];
};

/** Milliseconds to wait before repetition `n` (from 1), as urllib3 under MLflow's Python client. */
export const backoff = (retry: ServerSettings['retry'], n: number, random = Math.random()): number =>
  n <= 1 ? 0 : 1000 * Math.min(120, retry.factor * 2 ** (n - 1) + random * retry.jitter);

/** A request function for one server; aborting `signal` ends all requests and waits. */
export const createRequest = (settings: ServerSettings, signal?: AbortSignal): Request => {
  let chosen: Promise<typeof fetch> | undefined;

  const once = async ({ method, path, query, json, body: bytes }: Call): Promise<string> => {
    signal?.throwIfAborted();
    const url = new URL(/^https?:/.test(path) ? path : settings.address + path);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    // by hand: AbortSignal.any on a long-lived signal leaks in Node 20
    const controller = new AbortController();
    const stop = (): void => controller.abort(signal?.reason);
    const late = (): void => controller.abort(new DOMException('too late', 'TimeoutError'));
    const timer = setTimeout(late, Math.ceil(1000 * settings.timeout + (bytes?.size ?? 0) / 100));
    signal?.addEventListener('abort', stop, { once: true });
    const fail = ([text, ...rest]: Failure): never => {
      const message = `${settings.address}: ${path.replace(/^\/api\/2\.0\/mlflow\//, '')}: ${text}`;
      throw new MlflowError(
        settings.secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), message),
        ...rest,
      );
    };
    let answer: Response;
    let text: string;
    try {
      chosen ??= chooseFetch(settings);
      answer = await (await chosen)(url.href, {
        method,
        headers: {
          ...settings.headers,
          ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        body: json === undefined ? bytes : JSON.stringify(json),
        // a redirected POST would silently become a GET
        redirect: 'manual',
        signal: controller.signal,
      });
      text = await answer.text();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Fault) throw error;
      return fail(networkFailure(error));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
    return answer.ok ? text : fail(answerFailure(answer, text));
  };

  return async (call) => {
    for (let n = 1; ; n++) {
      try {
        return await once(call);
      } catch (error) {
        const isLast = !(error instanceof MlflowError) || !error.retryable || call.once;
        // once: whoever sends a run begins again, from what the server has by then
        if (isLast || n > Math.min(1, settings.retry.times)) throw error;
        const pause = error.retryAfter ?? backoff(settings.retry, n);
        await sleep(pause, undefined, { signal }).catch(() => {});
        signal?.throwIfAborted();
      }
    }
  };
};

/** The JSON of an answer. Throws a {@link MlflowError} for anything else, such as the login page of a proxy. */
export const parseAnswer = <T>(address: string, path: string, text: string): T => {
  try {
    return JSON.parse(text === '' ? '{}' : text) as T;
  } catch {
    const what = /^\s*</.test(text) ? 'a web page' : 'text';
    throw new MlflowError(
      `${address}: ${path}: it answers with ${what}, not as MLflow does; check the address and its path, and whether a login is needed`,
      200,
      'NOT_MLFLOW',
      false,
    );
  }
};
