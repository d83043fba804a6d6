import type { ServerMetric, ServerPair } from '../mlflow/client.js';
import { changedFiles, newPoints, readPairs } from './changes.js';
import { sendBatches } from './send-batches.js';
import { keepCursor, type Shipment } from './shipment.js';

const parentTag = 'mlflow.parentRunId';
const pointName = ({ step, timestamp, value }: ServerMetric): string => `${step} ${timestamp} ${value}`;

/** Tags that the server lacks, with the marks of their files; `waits` where the parent has no run there yet. */
export const changedTags = async ({
  run,
  cursor,
  options,
}: Shipment): Promise<{ pairs: ServerPair[]; marks: Map<string, string>; waits: boolean }> => {
  const files = await changedFiles(run, 'tags', cursor);
  const marks = new Map(files.map(({ name, mark }) => [name, mark]));
  let waits = false;
  const pairs: ServerPair[] = [];
  for (const pair of await readPairs(files)) {
    const value = pair.key === parentTag ? await options.parentOnServer(pair.value) : pair.value;
    if (value === undefined) waits = true;
    else pairs.push({ key: pair.key, value });
  }
  return { pairs, marks, waits };
};

/** What the server has of a metric; it is asked only when it may have any. */
const presentPoints = async (
  { destination, cursor, session, options }: Shipment,
  name: string,
): Promise<Map<string, number>> => {
  const known = session.present.get(name);
  if (known) return known;
  const present = new Map<string, number>();
  if (session.fresh && !session.doubtful.has(name)) return present;
  for (const point of await destination.client.metricHistory(cursor.runId!, name, options.signal))
    present.set(pointName(point), (present.get(pointName(point)) ?? 0) + 1);
  session.present.set(name, present);
  session.doubtful.delete(name);
  return present;
};

const lacking = async (
  shipment: Shipment,
  name: string,
  points: readonly ServerMetric[],
): Promise<readonly ServerMetric[]> => {
  const present = await presentPoints(shipment, name);
  if (present.size === 0) return points;
  return points.filter((point) => {
    const left = present.get(pointName(point)) ?? 0;
    if (left > 0) present.set(pointName(point), left - 1);
    return left === 0;
  });
};

/**
 * Sends params, tags and a portion of the points. `more`: there may be further points. `waits`: a tag waits for the
 * parent's run.
 */
export const shipValues = async (shipment: Shipment): Promise<{ more: boolean; waits: boolean }> => {
  const { destination, run, cursor, session, options, about } = shipment;
  const tags = await changedTags(shipment);
  const params = await changedFiles(run, 'params', cursor);
  const portions = await newPoints(run, cursor, (name) => void session.doubtful.add(name));
  const metrics: ServerMetric[] = [];
  const ends = new Map<ServerMetric, number>();
  for (const { name, points, ends: lineEnds } of portions) {
    points.forEach((point, at) => void ends.set(point, lineEnds[at]));
    for (const point of await lacking(shipment, name, points)) metrics.push(point);
  }
  await sendBatches(
    destination.client,
    cursor.runId!,
    { params: await readPairs(params), tags: tags.pairs, metrics },
    {
      onSent: async (part) => {
        for (const param of part.params)
          cursor.files[`params/${param.key}`] = params.find(({ name }) => name === param.key)?.mark ?? '';
        for (const tag of part.tags) cursor.files[`tags/${tag.key}`] = tags.marks.get(tag.key) ?? '';
        for (const point of part.metrics) cursor.metrics[point.key] = ends.get(point)!;
        await keepCursor(shipment);
        options.onSent?.({ points: part.metrics.length, files: 0 });
      },
      onRefused: (item, error) =>
        destination.onWarning(`tracking: ${about}: the server does not take ${item.key}: ${error.message}`),
      onDoubt: (part) => {
        for (const point of part.metrics) {
          session.doubtful.add(point.key);
          session.present.delete(point.key);
        }
      },
    },
    options.signal,
  );
  for (const { name, end } of portions) cursor.metrics[name] = end;
  return { more: portions.length > 0, waits: tags.waits };
};
