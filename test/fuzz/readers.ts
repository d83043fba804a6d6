import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCacheFile } from '../../src/dataset/cache-file.js';
import { readHistogramPickle } from '../../src/dataset/histogram-pickle.js';
import { openDataset } from '../../src/dataset/layout.js';
import { packedReader } from '../../src/dataset/packed.js';
import { inspectPatch } from '../../src/dataset/read-patch.js';
import { readStatistics } from '../../src/dataset/statistics-file.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';
import { readManifest } from '../../src/sweeps/manifest.js';
import { readSceneManifest } from '../../src/sweeps/scene-manifest.js';
import { readPth } from '../../src/training/pth.js';
import { readSafetensors } from '../../src/training/safetensors.js';

/** A reader of files that nobody vouches for. */
export interface Reader {
  /** Reads a file; a {@link Fault} is a right answer. */
  read: (path: string) => Promise<unknown>;
  /** Sound files to mutate, made beneath the folder when they are not at hand. */
  seeds: (folder: string) => Promise<string[]>;
  /** Everything in the file has a checksum: a changed file is a fault, or has the same values. */
  checked?: true;
}

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const fixtures =
  (...paths: string[]) =>
  async (): Promise<string[]> =>
    paths.map(fixture);

const { data } = resolveExperiment({});
const shape = { knots: 8, bins: 16, bandMax: [...data.bandMax] };

/** A cache of some patches, for its files of the given kind. */
const cacheFiles =
  (kind: 'statistics' | 'pixels') =>
  async (folder: string): Promise<string[]> => {
    const { openCache } = await import('../../src/dataset/cache.js');
    const { readdir } = await import('node:fs/promises');
    process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
    const dataset = await openDataset(fixture('parity/data'), data);
    const cache = await openCache({
      dataset: { all: dataset.all.slice(0, 3) },
      data: { ...data, bins: shape.bins },
      knots: shape.knots,
      pixels: true,
    });
    await cache.close();
    return (await readdir(cache.folder))
      .filter((name) => name.startsWith(kind))
      .map((name) => join(cache.folder, name));
  };

/** Files written by the program itself for these values. */
const written =
  (...values: unknown[]) =>
  async (folder: string): Promise<string[]> => {
    const { writeJson } = await import('../../src/files.js');
    const paths = values.map((_, k) => join(folder, `seed-${k}.json`));
    for (const [k, path] of paths.entries()) await writeJson(path, values[k]);
    return paths;
  };

const region = 'North';
const file = '31TAA_20200105-02-06.tif';

export const readers: Record<string, Reader> = {
  pickle: {
    read: (path) => readHistogramPickle(path, 4, 256),
    seeds: fixtures(
      'parity/data/tileHistoram256-S2.pickle',
      'pickles/numpy1-protocol0.pickle',
      'pickles/numpy1-protocol2.pickle',
      'pickles/numpy2-protocol5.pickle',
    ),
  },
  pth: {
    read: readPth,
    seeds: fixtures('torch/bare.pth', 'torch/checkpoint.pth', 'torch/zip64.pth'),
    checked: true,
  },
  safetensors: { read: readSafetensors, seeds: fixtures('safetensors/python.safetensors') },
  raster: {
    read: async (path) => {
      const at = (folder: string) => fixture(`parity/data/${region}/${folder}/${file}`);
      const ref = (path: string) => ({ path, window: null, bands: null });
      const patch = { id: `${region}/${file}`, region, tile: '31TAA', date: '20200105' };
      const { pixels, faults } = await inspectPatch(
        { ...patch, source: ref(path), target: ref(at('GF1')), mask: ref(at('mask')) },
        data.bands,
      );
      if (faults.length > 0) throw new Fault(faults);
      return pixels;
    },
    seeds: fixtures(`parity/data/${region}/S2/${file}`),
  },
  statistics: {
    read: async (path) => {
      const opened = await openCacheFile(path);
      if (!opened) throw new Fault('cache: not whole');
      return readStatistics(opened, shape);
    },
    seeds: cacheFiles('statistics'),
    checked: true,
  },
  pixels: {
    read: async (path) => {
      const opened = await openCacheFile(path);
      if (!opened) throw new Fault('cache: not whole');
      try {
        const reader = packedReader(opened);
        return Array.from({ length: reader.length }, (_, at) => reader.read(at));
      } finally {
        await opened.file.close();
      }
    },
    seeds: cacheFiles('pixels'),
    checked: true,
  },
  manifest: {
    read: readManifest,
    seeds: written({
      format: 1,
      name: 's',
      description: '',
      fingerprint: 'f',
      created: '2026-01-01',
      data: { root: '/data', divide: null, digests: { a: 'b' } },
      baseline: null,
      trials: [
        {
          index: 0,
          tag: 't-s1',
          row: 't',
          label: 'T',
          values: { a: 'b' },
          experiment: resolveExperiment({}),
        },
      ],
    }),
  },
  scenes: {
    read: readSceneManifest,
    seeds: written({
      format: 1,
      fingerprint: 'f',
      weights: 'w',
      weightsDigest: 'd',
      settings: ['a=b'],
      scenes: [{ index: 0, tag: 'scene', request: { inputs: ['a.tif'], out: 'b.tif', nodata: 'NaN' } }],
    }),
  },
};
