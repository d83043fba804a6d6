import type { Batch, ServerMetric, ServerPair } from './client.js';

/** Limits of one log-batch call. */
export const limits = { metrics: 1000, params: 100, tags: 100, total: 1000, bytes: 1_000_000 } as const;

const pairBytes = ({ key, value }: ServerPair): number =>
  Buffer.byteLength(JSON.stringify({ key, value })) + 1;
// key, a 24-character number, time and step with their names
const metricBytes = ({ key }: ServerMetric): number => Buffer.byteLength(JSON.stringify(key)) + 110;

/** Splits what a run logs into calls that keep all limits; params come first, then tags, then metrics. */
export const splitBatches = (all: Batch): Batch[] => {
  const batches: { metrics: ServerMetric[]; params: ServerPair[]; tags: ServerPair[] }[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  const room = <K extends 'metrics' | 'params' | 'tags'>(kind: K, size: number) => {
    const last = batches.at(-1);
    const full =
      !last ||
      last[kind].length >= limits[kind] ||
      last.metrics.length + last.params.length + last.tags.length >= limits.total ||
      bytes + size > limits.bytes - 1000;
    if (!full) {
      bytes += size;
      return last;
    }
    bytes = size;
    const next = { metrics: [], params: [], tags: [] };
    batches.push(next);
    return next;
  };
  for (const param of all.params) room('params', pairBytes(param)).params.push(param);
  for (const tag of all.tags) room('tags', pairBytes(tag)).tags.push(tag);
  for (const metric of all.metrics) room('metrics', metricBytes(metric)).metrics.push(metric);
  return batches;
};
