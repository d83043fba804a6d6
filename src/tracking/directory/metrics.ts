import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { appendLines, appendLinesSync, cutTornLine } from './place.js';
import type { Writer } from './writer.js';

/** All files under `folder`, as paths from it with `/`. None where it does not exist. */
export const filesUnder = async (folder: string, prefix = ''): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const nested = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? filesUnder(join(folder, entry.name), `${prefix}${entry.name}/`)
        : [`${prefix}${entry.name}`],
    ),
  );
  return nested.flat().sort();
};

interface Series {
  /** Where the last whole line ends, by folder: a run that moved to the rescue store begins anew there. */
  size: { folder: string; bytes: number };
  /** Lines not yet handed to the disk, and those that the disk is taking now. */
  waiting: string;
  writing: string;
  /** The largest step and time so far. */
  step: number;
  time: number;
  /** Points of an earlier process by step: each lets one repeated point pass unrecorded. */
  earlier?: Map<number, number>;
  /** Explicitly timed points that could repeat another. */
  timed: Set<string>;
}

/** The metric files of one run. */
export interface MetricFiles {
  /** Takes a point; returns false when it is already recorded. */
  add: (name: string, step: number, value: number, timestamp?: number) => boolean;
  /** Hands everything taken to the disk; resolves to the names that were written. */
  write: () => Promise<string[]>;
  /** The same without waiting, for the exit of the process. */
  writeSync: () => void;
  /** Bytes waiting. */
  readonly waiting: () => number;
  /** One more than the largest step of the metrics whose names begin so; 0 without any. */
  nextStep: (prefix: string) => number;
  /** Metrics of an earlier process. */
  names: string[];
}

/** Reads what an earlier process left in `metrics/`, cutting torn lines; `onCut` hears of each. */
const readEarlier = async (folder: string, onCut: (name: string) => void): Promise<Map<string, Series>> => {
  const series = new Map<string, Series>();
  for (const name of await filesUnder(join(folder, 'metrics'))) {
    const { lines, size, cut } = await cutTornLine(join(folder, 'metrics', name));
    if (cut > 0) onCut(name);
    if (size === 0) continue;
    const earlier = new Map<number, number>();
    let [lastStep, lastTime] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const line of lines) {
      const [time, , step] = line.split(' ').map(Number);
      earlier.set(step, (earlier.get(step) ?? 0) + 1);
      lastStep = Math.max(lastStep, step);
      lastTime = Math.max(lastTime, time);
    }
    series.set(name, {
      size: { folder, bytes: size },
      waiting: '',
      writing: '',
      step: lastStep,
      time: lastTime,
      earlier,
      timed: new Set(),
    });
  }
  return series;
};

/**
 * Metric files of the run that `writer` writes. No line is ever written twice (`mlflow migrate-filestore` aborts on
 * one): points of one key and step get times that differ.
 */
export const openMetricFiles = async (
  writer: Writer,
  resumed: boolean,
  onCut: (name: string) => void,
): Promise<MetricFiles> => {
  const all = resumed ? await readEarlier(writer.folder(), onCut) : new Map<string, Series>();
  const dirty = new Set<string>();
  let bytes = 0;

  const fresh = (): Series => ({
    size: { folder: '', bytes: 0 },
    waiting: '',
    writing: '',
    step: Number.NEGATIVE_INFINITY,
    time: Number.NEGATIVE_INFINITY,
    timed: new Set(),
  });

  const repeats = (series: Series, step: number): boolean => {
    const count = series.earlier?.get(step) ?? 0;
    if (count === 0) return false;
    series.earlier?.set(step, count - 1);
    return true;
  };

  const add: MetricFiles['add'] = (name, step, value, timestamp) => {
    const series = all.get(name) ?? fresh();
    all.set(name, series);
    if (repeats(series, step)) return false;
    let time = Math.round(timestamp ?? Date.now());
    if (timestamp === undefined) {
      if (step <= series.step) time = Math.max(time, series.time + 1);
    } else {
      const point = `${time} ${value} ${step}`;
      if (series.timed.has(point)) return false;
      series.timed.add(point);
    }
    series.step = Math.max(series.step, step);
    series.time = Math.max(series.time, time);
    const line = `${time} ${value} ${step}\n`;
    series.waiting += line;
    bytes += line.length;
    dirty.add(name);
    return true;
  };

  const write = async (): Promise<string[]> => {
    const names = [...dirty];
    dirty.clear();
    await Promise.all(
      names.map((name) => {
        const series = all.get(name)!;
        const lines = series.waiting;
        series.waiting = '';
        series.writing += lines;
        bytes -= lines.length;
        return writer.apply({
          bytes: lines.length,
          apply: async (folder) => {
            const from = series.size.folder === folder ? series.size.bytes : 0;
            const to = await appendLines(folder, join('metrics', name), lines, from);
            series.size = { folder, bytes: to };
            series.writing = series.writing.slice(lines.length);
          },
        });
      }),
    );
    return names;
  };

  const writeSync = (): void => {
    const folder = writer.folder();
    for (const [name, series] of all) {
      const lines = series.writing + series.waiting;
      if (lines === '') continue;
      const from = series.size.folder === folder ? series.size.bytes : 0;
      appendLinesSync(join(folder, 'metrics', name), lines, from);
      series.size = { folder, bytes: from + Buffer.byteLength(lines) };
      series.writing = series.waiting = '';
    }
    bytes = 0;
  };

  const nextStep = (prefix: string): number =>
    [...all].reduce(
      (next, [name, { step }]) => (name.startsWith(prefix) ? Math.max(next, step + 1) : next),
      0,
    );

  return { add, write, writeSync, waiting: () => bytes, nextStep, names: [...all.keys()] };
};
