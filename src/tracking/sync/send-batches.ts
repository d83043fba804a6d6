import { splitBatches } from '../mlflow/batches.js';
import type { Batch, MlflowClient, ServerMetric, ServerPair } from '../mlflow/client.js';
import { MlflowError } from '../mlflow/error.js';

/** Lengths that releases of MLflow accept for a value, the newest first. */
const lengths = [6000, 5000, 500, 250];

const count = ({ metrics, params, tags }: Batch): number => metrics.length + params.length + tags.length;

const halves = ({ metrics, params, tags }: Batch): Batch[] => {
  const cut = <T>(items: readonly T[], first: boolean): readonly T[] => {
    const middle = Math.ceil(items.length / 2);
    return first ? items.slice(0, middle) : items.slice(middle);
  };
  return [true, false]
    .map((first) => ({ metrics: cut(metrics, first), params: cut(params, first), tags: cut(tags, first) }))
    .filter((half) => count(half) > 0);
};

/** What becomes of a batch. */
export interface BatchEvents {
  /** The server has these. */
  onSent: (batch: Batch) => Promise<void>;
  /** The server does not take this item, now or ever. */
  onRefused: (item: ServerPair | ServerMetric, error: MlflowError) => void;
  /** The server may or may not have these. */
  onDoubt: (batch: Batch) => void;
}

/**
 * Sends all of `batch` in calls that keep the limits. One item that the server refuses does not take the others with
 * it: the call is halved until the item is found; values too long for an old server are cut. Throws what else fails.
 */
export const sendBatches = async (
  client: MlflowClient,
  runId: string,
  batch: Batch,
  events: BatchEvents,
  signal?: AbortSignal,
): Promise<void> => {
  let healthy = false;
  const send = async (part: Batch): Promise<void> => {
    try {
      await client.logBatch(runId, part, signal);
    } catch (error) {
      if (!(error instanceof MlflowError)) throw error;
      if (error.httpStatus === 0 || error.uncertain || error.httpStatus === 400) events.onDoubt(part);
      if (error.httpStatus !== 400 && error.httpStatus !== 413) throw error;
      // is it the items, or the run (deleted) or the server that refuses anything?
      if (!healthy) await client.logBatch(runId, { metrics: [], params: [], tags: [] }, signal);
      healthy = true;
      if (count(part) > 1) {
        for (const half of halves(part)) await send(half);
        return;
      }
      await sendShorter(part, error);
      return;
    }
    await events.onSent(part);
  };
  const sendShorter = async (part: Batch, error: MlflowError): Promise<void> => {
    const pair = part.params[0] ?? part.tags[0];
    const length = pair && lengths.find((limit) => limit < pair.value.length);
    if (pair && length !== undefined && /length|long|exceed/i.test(error.message)) {
      const shorter = [{ ...pair, value: pair.value.slice(0, length) }];
      await send(part.params[0] ? { ...part, params: shorter } : { ...part, tags: shorter });
      return;
    }
    events.onRefused(pair ?? part.metrics[0], error);
    await events.onSent(part);
  };
  for (const part of splitBatches(batch)) await send(part);
};
