import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filesUnder } from '../directory/metrics.js';
import { parsePoints } from '../directory/read.js';
import type { ServerMetric } from '../mlflow/client.js';
import type { Cursor } from './cursor.js';

/** A file that the server does not have as it is now. */
export interface ChangedFile {
  /** Name under its kind's folder. */
  name: string;
  path: string;
  /** To be kept in the cursor once it is sent. */
  mark: string;
  bytes: number;
}

/** Files of `kind` that changed since the cursor. */
export const changedFiles = async (run: string, kind: string, cursor: Cursor): Promise<ChangedFile[]> => {
  const changed: ChangedFile[] = [];
  for (const name of await filesUnder(join(run, kind))) {
    const path = join(run, kind, name);
    const info = await stat(path).catch(() => undefined);
    if (!info) continue;
    const mark = `${info.size} ${info.mtimeMs} ${info.ino}`;
    if (cursor.files[`${kind}/${name}`] !== mark) changed.push({ name, path, mark, bytes: info.size });
  }
  return changed;
};

/** Points of one metric that the server may not have, and where in the file they end. */
export interface NewPoints {
  name: string;
  points: ServerMetric[];
  /** End of each point's line in the file, bytes. */
  ends: number[];
  /** Where all that was read ends. */
  end: number;
}

/** At most this much of a metric file is read at once, bytes. */
const portion = 4 * 2 ** 20;

/** Reads whole lines from byte `from` of a metric file. */
const readLines = async (path: string, from: number): Promise<Buffer> => {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(portion, Math.max(0, (await file.stat()).size - from)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const read = buffer.subarray(0, bytesRead);
    return read.subarray(0, read.lastIndexOf(0x0a) + 1);
  } finally {
    await file.close();
  }
};

/** Points beyond the cursor, a portion of each file. A file that was replaced is begun anew and named to `onReplaced`. */
export const newPoints = async (
  run: string,
  cursor: Cursor,
  onReplaced: (name: string) => void,
): Promise<NewPoints[]> => {
  const all: NewPoints[] = [];
  for (const name of await filesUnder(join(run, 'metrics'))) {
    const path = join(run, 'metrics', name);
    let from = cursor.metrics[name] ?? 0;
    const { size } = await stat(path);
    if (size < from) {
      from = cursor.metrics[name] = 0;
      onReplaced(name);
    }
    if (size === from) continue;
    const points: ServerMetric[] = [];
    const ends: number[] = [];
    let end = from;
    for (const line of (await readLines(path, from)).toString('utf8').split('\n').slice(0, -1)) {
      end += Buffer.byteLength(line) + 1;
      const [point] = parsePoints(`${line}\n`);
      if (!point) continue;
      points.push({ key: name, value: point.value, timestamp: point.timestamp, step: point.step });
      ends.push(end);
    }
    if (end > from) all.push({ name, points, ends, end });
  }
  return all;
};

/** Name and text of each file. */
export const readPairs = (files: readonly ChangedFile[]): Promise<{ key: string; value: string }[]> =>
  Promise.all(files.map(async ({ name, path }) => ({ key: name, value: await readFile(path, 'utf8') })));
