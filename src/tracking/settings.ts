import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fault } from '../fault.js';

/** How requests to a server are made. */
export interface ServerSettings {
  /** Without credentials and final slash: fit to be printed. */
  address: string;
  /** Headers of every request; they may hold credentials. */
  headers: Record<string, string>;
  /** Never to be printed. */
  secrets: readonly string[];
  retry: {
    /** Repetitions of a failed request. */
    times: number;
    /** Seconds; the wait before repetition n is factor · 2ⁿ⁻¹ (the first at once), at most 120. */
    factor: number;
    /** Seconds of random extra wait, at most. */
    jitter: number;
  };
  /** Seconds that one request may take. */
  timeout: number;
  tls: { insecure: boolean; caPath?: string; certPath?: string };
}

/** An address without the user name and password in it. */
const withoutCredentials = (address: string): string =>
  address.replace(/^([a-z][\w+.-]*:\/\/)[^/?#]*@/i, '$1');

export type Environment = Readonly<Record<string, string | undefined>>;

/** User name and password in section [mlflow] of `~/.mlflow/credentials`. */
const credentialsFile = (home: string): Record<string, string> => {
  let text: string;
  try {
    text = readFileSync(join(home, '.mlflow', 'credentials'), 'utf8');
  } catch {
    return {};
  }
  const values: Record<string, string> = {};
  let section = '';
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[(.+?)\]\s*$/.exec(line);
    if (head) section = head[1];
    const pair = /^\s*([^#;=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (section === 'mlflow' && pair) values[pair[1].toLowerCase()] = pair[2];
  }
  return values;
};

const count = (text: string | undefined, standard: number): number => {
  const value = Number(text);
  return text === undefined || text === '' || !Number.isFinite(value) || value < 0 ? standard : value;
};

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const ascii = (value: string, name: string): string => {
  if (!/^[\x20-\x7e]*$/.test(value)) throw new Fault(`${name}: it holds characters that no header can carry`);
  return value;
};

/**
 * Settings for the server at `uri` from the `MLFLOW_*` variables and `~/.mlflow/credentials`. Name and password win over
 * a token, the variables over the file, both over those in the address. Throws a `Fault` for an address that is none.
 */
export const serverSettings = (uri: string, env: Environment, home = homedir()): ServerSettings => {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    throw new Fault(
      `tracking server: ${withoutCredentials(uri)}; it is not an address such as http://host:5000`,
    );
  }
  if (!/^https?:$/.test(url.protocol))
    throw new Fault(`tracking server: ${withoutCredentials(uri)}; only http:// and https:// can be reached`);
  const file = credentialsFile(home);
  const user = env['MLFLOW_TRACKING_USERNAME'] ?? file['mlflow_tracking_username'];
  const password = env['MLFLOW_TRACKING_PASSWORD'] ?? file['mlflow_tracking_password'];
  const token = env['MLFLOW_TRACKING_TOKEN'];
  const inAddress = url.username === '' ? undefined : decodeURIComponent(url.username);
  const secrets: string[] = [];
  const headers: Record<string, string> = { 'User-Agent': 'bandalign' };
  const login = (name: string, word: string): void => {
    headers['Authorization'] = basic(name, word);
    secrets.push(word, encodeURIComponent(word), headers['Authorization'].slice(6));
  };
  if (user !== undefined && password !== undefined) login(user, password);
  else if (token) {
    headers['Authorization'] = `Bearer ${ascii(token, 'MLFLOW_TRACKING_TOKEN')}`;
    secrets.push(token);
  } else if (inAddress !== undefined) login(inAddress, decodeURIComponent(url.password));
  if (env['MLFLOW_WORKSPACE'])
    headers['X-MLFLOW-WORKSPACE'] = ascii(env['MLFLOW_WORKSPACE'], 'MLFLOW_WORKSPACE');
  url.username = url.password = url.search = url.hash = '';
  return {
    address: url.href.replace(/\/+$/, ''),
    headers,
    secrets: secrets.filter((secret) => secret !== ''),
    retry: {
      times: count(env['MLFLOW_HTTP_REQUEST_MAX_RETRIES'], 7),
      factor: count(env['MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR'], 2),
      jitter: count(env['MLFLOW_HTTP_REQUEST_BACKOFF_JITTER'], 1),
    },
    timeout: count(env['MLFLOW_HTTP_REQUEST_TIMEOUT'], 120) || 120,
    tls: {
      insecure: /^(true|1)$/i.test(env['MLFLOW_TRACKING_INSECURE_TLS'] ?? ''),
      caPath: env['MLFLOW_TRACKING_SERVER_CERT_PATH'] || undefined,
      certPath: env['MLFLOW_TRACKING_CLIENT_CERT_PATH'] || undefined,
    },
  };
};
