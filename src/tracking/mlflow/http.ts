import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, reason } from '../../fault.js';
import { MlflowError, type MlflowFailure, retryableStatuses } from './error.js';
import type { ServerSettings } from './settings.js';

/** One request to the server. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the server's address on: `/api/2.0/mlflow/runs/get`; or a whole address. */
  path: string;
  query?: Record<string, string | undefined>;
  /** Body as JSON … */
  json?: unknown;
  /** … or bytes, made anew for each try; `size` in bytes lengthens the time allowed. */
  body?: { size: number; open: () => Promise<Blob> };
  /** Never repeated: doing it twice makes two. */
  once?: boolean;
  signal?: AbortSignal;
}

/** Makes requests; resolves to the text of the answer. Throws {@link MlflowError}, or what `signal` was aborted with. */
export type Request = (call: Call) => Promise<string>;

const proxied = (env: NodeJS.ProcessEnv): boolean =>
  ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some((name) => env[name]);

const readPem = (path: string, name: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Fault(`${name}: ${path}; it cannot be read: ${reason(error)}`);
  }
};

/**
 * Node's own fetch, or undici's where a certificate or a proxy is configured: the built-in one of Node 20 takes neither.
 */
const chooseFetch = async ({ tls }: ServerSettings): Promise<typeof fetch> => {
  const special = tls.insecure || tls.caPath !== undefined || tls.certPath !== undefined;
  if (!special && !proxied(process.env)) return fetch;
  const undici = await import('undici');
  const pem =
    tls.certPath === undefined ? undefined : readPem(tls.certPath, 'MLFLOW_TRACKING_CLIENT_CERT_PATH');
  const options = {
    rejectUnauthorized: !tls.insecure,
    ca: tls.caPath === undefined ? undefined : readPem(tls.caPath, 'MLFLOW_TRACKING_SERVER_CERT_PATH'),
    cert: pem,
    key: pem,
  };
  const dispatcher = proxied(process.env)
    ? new undici.EnvHttpProxyAgent({ connect: options, requestTls: options })
    : new undici.Agent({ connect: options });
  return ((input: string, init: object) =>
    undici.fetch(input, { ...init, dispatcher })) as unknown as typeof fetch;
};

/** System words of a connection that was never made: the server has done nothing. */
const neverReached = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const certificateAdvice =
  'set MLFLOW_TRACKING_SERVER_CERT_PATH to the certificate of its authority (or MLFLOW_TRACKING_INSECURE_TLS=true to trust any)';

const networkFailure = (error: unknown): { text: string; failure: MlflowFailure } => {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const timedOut = (error as Error).name === 'TimeoutError';
  const code = timedOut ? 'TIMEOUT' : (cause?.code ?? 'NETWORK');
  const certificate = /CERT|SIGNATURE|ALTNAME|SSL/i.test(code);
  const text = timedOut
    ? 'it did not answer in time'
    : certificate
      ? `its certificate is not trusted (${code}); ${certificateAdvice}`
      : neverReached.has(code)
        ? `it cannot be reached (${code})`
        : `the connection broke (${code}${cause?.message ? `: ${cause.message}` : ''})`;
  const retryable = !certificate;
  return {
    text,
    failure: { httpStatus: 0, errorCode: code, retryable, uncertain: retryable && !neverReached.has(code) },
  };
};

const waitAsked = (answer: Response): number | undefined => {
  const text = answer.headers.get('retry-after');
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
};

const advice = (status: number, text: string): string => {
  if (status === 401)
    return '; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN';
  if (status === 403 && /host header/i.test(text))
    return '; start the server with --allowed-hosts (or MLFLOW_SERVER_ALLOWED_HOSTS) naming the host of this address';
  if (status === 503 && /artifact/i.test(text)) return '; start the server without --no-serve-artifacts';
  if (status >= 300 && status < 400) return '; give the address that it points to';
  return '';
};

/** The error in an answer: MLflow's JSON, or the first line of whatever else a proxy says. */
const answerFailure = (answer: Response, body: string): { text: string; failure: MlflowFailure } => {
  let code = `HTTP_${answer.status}`;
  let text = body
    .replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200);
  try {
    const parsed = JSON.parse(body) as { error_code?: string; message?: string };
    if (parsed.error_code) code = parsed.error_code;
    if (parsed.message) text = parsed.message.replace(/\s+/g, ' ').slice(0, 400);
  } catch {
    // not MLflow's own words
  }
  const location = answer.headers.get('location');
  if (location) text = `it points to ${location.replace(/\/\/[^/@]*@/, '//')}`;
  const retryable = retryableStatuses.has(answer.status);
  return {
    text: `${answer.status}${text ? ` ${text}` : ''}${advice(answer.status, text)}`,
    failure: {
      httpStatus: answer.status,
      errorCode: code,
      retryable,
      uncertain: answer.status >= 500 || answer.status === 408,
      retryAfter: waitAsked(answer),
    },
  };
};

/** `text` with every secret blotted out. */
export const redact = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((out, secret) => out.replaceAll(secret, '***'), text);

const target = (settings: ServerSettings, { path, query }: Call): string => {
  const url = new URL(/^https?:/.test(path) ? path : settings.address + path);
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value);
  return url.href;
};

/** How long to wait before repetition `n` (from 1), ms: as urllib3 under MLflow's Python client. */
export const backoff = (
  { retry }: Pick<ServerSettings, 'retry'>,
  n: number,
  random = Math.random(),
): number => (n <= 1 ? 0 : 1000 * Math.min(120, retry.factor * 2 ** (n - 1) + random * retry.jitter));

/** A request function for one server. */
export const createRequest = (settings: ServerSettings): Request => {
  let chosen: Promise<typeof fetch> | undefined;

  const once = async (call: Call): Promise<string> => {
    const sent = call.json === undefined ? await call.body?.open() : JSON.stringify(call.json);
    const seconds = settings.timeout + (call.body ? call.body.size / 1e5 : 0);
    call.signal?.throwIfAborted();
    // by hand: AbortSignal.any on a long-lived signal leaks in Node 20
    const controller = new AbortController();
    const stop = (): void => controller.abort(call.signal?.reason);
    const late = (): void => controller.abort(new DOMException('too late', 'TimeoutError'));
    const timer = setTimeout(late, Math.ceil(seconds * 1000));
    call.signal?.addEventListener('abort', stop, { once: true });
    const fail = ({ text, failure }: { text: string; failure: MlflowFailure }): never => {
      const where = call.path.replace(/^\/api\/2\.0\/mlflow\//, '');
      throw new MlflowError(redact(`${settings.address}: ${where}: ${text}`, settings.secrets), failure);
    };
    let answer: Response;
    let body: string;
    try {
      chosen ??= chooseFetch(settings);
      answer = await (await chosen)(target(settings, call), {
        method: call.method,
        headers: {
          ...settings.headers,
          ...(call.json === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        body: sent,
        // a redirected POST would silently become a GET
        redirect: 'manual',
        signal: controller.signal,
      });
      body = await answer.text();
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof Fault) throw error;
      return fail(networkFailure(error));
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', stop);
    }
    return answer.ok ? body : fail(answerFailure(answer, body));
  };

  return async (call) => {
    for (let n = 1; ; n++) {
      try {
        return await once(call);
      } catch (error) {
        if (!(error instanceof MlflowError) || !error.retryable || call.once || n > settings.retry.times)
          throw error;
        await sleep(error.retryAfter ?? backoff(settings, n), undefined, { signal: call.signal }).catch(
          () => {},
        );
        call.signal?.throwIfAborted();
      }
    }
  };
};

/** The JSON of an answer. Throws a {@link MlflowError} for anything else, such as the login page of a proxy. */
export const parseAnswer = <T>(address: string, path: string, text: string): T => {
  try {
    return JSON.parse(text === '' ? '{}' : text) as T;
  } catch {
    const html = /^\s*</.test(text);
    throw new MlflowError(
      `${address}: ${path}: it answers with ${html ? 'a web page' : 'text'}, not as MLflow does; is the address right, and is a login needed?`,
      { httpStatus: 200, errorCode: 'NOT_MLFLOW', retryable: false, uncertain: true },
    );
  }
};
