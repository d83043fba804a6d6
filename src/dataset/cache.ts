import type { Experiment } from '../config/schema.js';
import type { OnProgress } from '../progress.js';
import type { Dataset } from './layout.js';
import type { PackedReader } from './packed.js';
import type { StatisticsTable } from './statistics-table.js';

export interface CacheOptions {
  dataset: Pick<Dataset, 'all'>;
  data: Pick<Experiment['data'], 'bands' | 'bandMax' | 'bins'>;
  /** Knots of the statistics. */
  knots: number;
  /** True: packed pixels too. */
  pixels: boolean;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** Statistics and pixels of a dataset's patches, read once and kept. */
export interface DatasetCache {
  table: StatisticsTable;
  /** Row of a patch in the table and in the pixels; undefined for a skipped one. */
  index: (id: string) => number | undefined;
  /** There when asked for. */
  pixels?: PackedReader;
  /** Ids of patches without any valid pixel, which are left out. */
  skipped: readonly string[];
  /** SHA-256 over the list of patches and the contents of all their files. */
  digest: string;
  /** What this call had to read; null when all was there. */
  built: { patches: number; seconds: number } | null;
  close: () => Promise<void>;
}
