import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fault.js';
import { bringBack } from './directory/bring-back.js';
import { openDirectoryStore, type StoreOptions } from './directory/store.js';
import { createClient } from './mlflow/client.js';
import { serverSettings, unsupported } from './mlflow/settings.js';
import { withoutCredentials } from './source-tags.js';
import { openDestination } from './sync/destination.js';
import { createShipper } from './sync/shipper.js';
import type { Tracker } from './tracker.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where runs go: a store on disk, and the server that it is sent to if there is one. */
export interface TrackingPlace {
  directory: string;
  /** As given, credentials included: never to be printed. */
  server?: string;
}

const isTrue = (value: string | undefined): boolean => /^(true|1|yes)$/i.test(value ?? '');

/** Reads `MLFLOW_TRACKING_URI` and `BANDALIGN_TRACKING_DIR`. Throws a `Fault` for an address that nothing here serves. */
export const trackingPlace = (env: Environment, directory?: string): TrackingPlace => {
  const spool = resolve(directory ?? env['BANDALIGN_TRACKING_DIR'] ?? '.bandalign/tracking');
  const uri = env['MLFLOW_TRACKING_URI']?.trim();
  if (!uri) return { directory: spool };
  if (/^https?:\/\//i.test(uri)) return { directory: spool, server: uri };
  if (/^file:/i.test(uri)) {
    try {
      return { directory: directory === undefined ? fileURLToPath(uri) : spool };
    } catch {
      throw new Fault(`MLFLOW_TRACKING_URI: ${uri}; a file address is file:///absolute/folder`);
    }
  }
  if (/^[a-z][\w+.-]+:/i.test(uri))
    throw new Fault(
      `MLFLOW_TRACKING_URI: ${withoutCredentials(uri)}; give a server (http://…), a folder, or nothing: for a database start \`mlflow server --backend-store-uri\` on it and give the server's address`,
    );
  return { directory: directory === undefined ? resolve(uri.replace(/^~(?=\/|$)/, homedir())) : spool };
};

/** What {@link openTracker} takes. */
export interface TrackerOptions {
  /** Default `process.env`. */
  env?: Environment;
  /** Folder of the directory store; default as the environment says, else `.bandalign/tracking` here. */
  directory?: string;
  /** Hears, once each, what went wrong or was done otherwise: a line for people, without credentials. */
  onWarning: (text: string) => void;
}

/**
 * Opens the place where runs are recorded: a directory store, and with `MLFLOW_TRACKING_URI=http…` the server that it is
 * sent to while runs go on. Throws a `Fault` only for an environment that cannot be meant.
 */
export const openTracker = async ({
  env = process.env,
  directory,
  onWarning,
}: TrackerOptions): Promise<Tracker> => {
  const place = trackingPlace(env, directory);
  const heard = new Set<string>();
  const warn = (text: string): void => {
    if (heard.has(text)) return;
    heard.add(text);
    onWarning(text);
  };
  const options: StoreOptions = {
    onWarning: warn,
    experiment: env['MLFLOW_EXPERIMENT_NAME'] || undefined,
    runId: env['MLFLOW_RUN_ID'] || undefined,
    systemMetrics: isTrue(env['MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING']) || undefined,
    sampleEvery: Number(env['MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL']) || undefined,
  };
  await bringBack(place.directory, warn);
  if (place.server === undefined) {
    const experimentId = env['MLFLOW_EXPERIMENT_NAME'] ? undefined : env['MLFLOW_EXPERIMENT_ID'] || undefined;
    return openDirectoryStore(place.directory, { ...options, experimentId });
  }
  for (const text of unsupported(env)) warn(text);
  const settings = serverSettings(place.server, env);
  // the shipper has a patience of its own: a request that fails twice is tried again in its next pass
  const client = createClient({
    ...settings,
    retry: { ...settings.retry, times: Math.min(settings.retry.times, 1) },
  });
  const shipper = createShipper(openDestination(client, env, place.directory, warn), {
    store: place.directory,
    patience: Number(env['BANDALIGN_TRACKING_PATIENCE'] || 15),
    advice: `bandalign track sync --from ${place.directory} --to ${settings.address}`,
  });
  const store = openDirectoryStore(place.directory, { ...options, shipping: shipper });
  return {
    ...store,
    where: `${settings.address} (by way of ${store.directory})`,
    server: settings.address,
    close: async () => {
      await store.close();
      await shipper.close();
    },
  };
};
