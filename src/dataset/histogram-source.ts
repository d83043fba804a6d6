import { join } from 'node:path';
import type { DataSettings } from '../config/schema.js';
import { refuse } from '../fault.js';
import { exists } from '../files.js';
import { l1 } from './histogram.js';
import { readHistogramPickle } from './histogram-pickle.js';
import type { StatisticsTable } from './statistics-table.js';

type Data = Pick<DataSettings, 'histograms'>;

/** Source histograms by name, and where they come from. */
export interface Histograms {
  /** Counts [bands·bins], by patch id or by tile key. */
  counts: Map<string, Float64Array>;
  from: 'pickle' | 'computed';
  /** Names that the pickle lacks (then all are computed); empty without one. */
  missing: string[];
  /** Shape of the pickle's histograms where it is of other bins or bands (then all are computed). */
  otherShape: readonly number[] | null;
  /**
   * How far a pickle is from the counts of the pixels: mean over names and bands of the share of pixels that stand in
   * other bins, 0 to 1. Large when it was made with another bandMax or of other images. 0 when computed.
   */
  difference: number;
}

/** Names of the paper's pickles, spelled so. */
export const patchPickle = 'Patch512Historam256-S2.pickle';
export const tilePickle = 'tileHistoram256-S2.pickle';

/** Histogram of each row of the table, summed where rows share a name. */
const computed = (table: StatisticsTable, names: readonly string[]): Map<string, Float64Array> => {
  const width = table.bands * table.bins;
  const counts = new Map<string, Float64Array>();
  for (const [row, name] of names.entries()) {
    const sum = counts.get(name) ?? new Float64Array(width);
    for (let k = 0; k < width; k++) sum[k] += table.sourceHistogram[row * width + k];
    counts.set(name, sum);
  }
  return counts;
};

const difference = (
  stored: ReadonlyMap<string, Float64Array>,
  counted: ReadonlyMap<string, Float64Array>,
  bands: number,
): number => {
  let sum = 0;
  for (const [name, counts] of stored) {
    const [a, b] = [l1(counts, bands), l1(counted.get(name) as Float64Array, bands)];
    for (let k = 0; k < a.length; k++) sum += Math.abs(a[k] - b[k]) / 2;
  }
  return stored.size === 0 ? 0 : sum / (stored.size * bands);
};

const choose = async (
  path: string,
  table: StatisticsTable,
  { histograms }: Data,
  /** Name in the pickle by name in the result. */
  keys: ReadonlyMap<string, string>,
  rowNames: readonly string[],
): Promise<Histograms> => {
  const insisted = histograms === 'pickle';
  if (histograms === 'computed' || (!insisted && !(await exists(path))))
    return {
      counts: computed(table, rowNames),
      from: 'computed',
      missing: [],
      otherShape: null,
      difference: 0,
    };
  let otherShape: Histograms['otherShape'] = null;
  const stored = await readHistogramPickle(
    path,
    table.bands,
    table.bins,
    new Set(keys.values()),
    insisted ? undefined : (shape) => (otherShape = shape),
  );
  if (otherShape)
    return { counts: computed(table, rowNames), from: 'computed', missing: [], otherShape, difference: 0 };
  const missing = [...keys].filter(([, key]) => !stored.has(key)).map(([, key]) => key);
  if (insisted)
    refuse(
      missing.map(
        (key) => `histograms: ${path} lacks ${key}; add it, or take data.histograms=auto to count anew`,
      ),
    );
  if (missing.length > 0)
    return { counts: computed(table, rowNames), from: 'computed', missing, otherShape, difference: 0 };
  const counts = new Map([...keys].map(([name, key]) => [name, stored.get(key) as Float64Array]));
  return {
    counts,
    from: 'pickle',
    missing,
    otherShape,
    difference: difference(counts, computed(table, rowNames), table.bands),
  };
};

/**
 * Source histogram of each tile (validation and test use these): from the dataset's pickle where `data.histograms` allows
 * it, it is of the bins asked for and every tile is in it, else the sum over the tile's patches in every list.
 *
 * @param root the dataset's folder
 * @param table statistics of all patches of the dataset
 * @throws Fault for a bad pickle, and, where a pickle is insisted on, for each tile that it lacks
 */
export const tileHistograms = (root: string, table: StatisticsTable, data: Data): Promise<Histograms> =>
  choose(join(root, tilePickle), table, data, new Map(table.tiles.map((tile) => [tile, tile])), table.tiles);

/** Source histogram of each patch by its id (training uses these); see {@link tileHistograms}. The pickle goes by file name. */
export const patchHistograms = (root: string, table: StatisticsTable, data: Data): Promise<Histograms> =>
  choose(
    join(root, patchPickle),
    table,
    data,
    new Map(table.ids.map((id) => [id, id.slice(id.lastIndexOf('/') + 1)])),
    table.ids,
  );
