import type { LoggedBatch, MlflowClient, ServerMetric, ServerPair } from './client.js';
import { MlflowError } from './http.js';

/** Limits of one log-batch call: items of each kind, and bytes. */
export const limits = { metrics: 1000, params: 100, tags: 100, bytes: 1_000_000 } as const;

type Kind = keyof LoggedBatch;
type Item = ServerPair | ServerMetric;

/** Runs of `items` that keep the limits of their kind. */
export const splitItems = <T extends Item>(kind: Kind, items: readonly T[]): T[][] => {
  const parts: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    // a metric: its key, a number of 24 characters, time and step with their names
    const size = 'step' in item ? item.key.length * 4 + 120 : Buffer.byteLength(JSON.stringify(item)) + 1;
    const last = parts.at(-1);
    if (last && last.length < limits[kind] && bytes + size < limits.bytes - 1000) last.push(item);
    else parts.push([item]);
    bytes = parts.at(-1)?.length === 1 ? size : bytes + size;
  }
  return parts;
};

/** Lengths that releases of MLflow accept for a value, the newest first. */
const lengths = [6000, 5000, 500, 250];

/**
 * Sends all of `batch` in calls that keep the limits. One item that the server refuses does not take the others with
 * it: the call is halved until the item is found; values too long for an old server are cut. Throws what else fails.
 *
 * @param onSent hears of what the server has, in order
 * @param onRefused hears of an item that the server takes cut, or not at all
 */
export const sendBatch = async (
  client: Pick<MlflowClient, 'logBatch'>,
  runId: string,
  batch: LoggedBatch,
  onSent: (sent: LoggedBatch) => void,
  onRefused: (text: string) => void,
): Promise<void> => {
  let isHealthy = false;
  const send = async (kind: Kind, items: readonly Item[]): Promise<void> => {
    try {
      await client.logBatch(runId, { [kind]: items });
    } catch (error) {
      if (!(error instanceof MlflowError) || ![400, 413].includes(error.httpStatus)) throw error;
      // is it the items, or the run (deleted) or the server that refuses anything?
      if (!isHealthy) await client.logBatch(runId, {});
      isHealthy = true;
      if (items.length > 1) {
        const middle = Math.ceil(items.length / 2);
        await send(kind, items.slice(0, middle));
        return send(kind, items.slice(middle));
      }
      const { key, value } = items[0];
      const length = typeof value === 'string' && lengths.find((limit) => limit < value.length);
      if (length && /length|long|exceed/i.test(error.message)) {
        onRefused(`${key} is cut to ${length} characters`);
        return send(kind, [{ key, value: value.slice(0, length) }]);
      }
      onRefused(`the server does not take ${key} (${error.message})`);
    }
    onSent({ [kind]: items });
  };
  for (const kind of ['params', 'tags', 'metrics'] as const)
    for (const part of splitItems<Item>(kind, batch[kind] ?? [])) await send(kind, part);
};
