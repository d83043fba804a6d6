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
import { readCatalogs } from '../../src/temporal/read-catalogs.js';
import { openNpy } from '../../src/temporal/read-npy.js';
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

/** All samples of a raster's file. */
const allSamples = async (path: string): Promise<unknown> => {
  const { withRaster } = await import('../../src/raster/read.js');
  return withRaster(path, async (raster) => {
    const { width, height } = raster;
    return raster.read({ window: [0, 0, Math.min(width, 64), Math.min(height, 64)] });
  });
};

/** Every slice of a stack of masks. */
const allSlices = async (path: string): Promise<unknown> => {
  const stack = await openNpy(path);
  const slices = [];
  for (let index = 0; index < Math.min(stack.count, 16); index++) slices.push(await stack.read(index));
  return slices;
};

/** A stack of 3 masks of 4 × 5 pixels as NumPy writes it, in format 1 and 2. */
const npyFiles = async (folder: string): Promise<string[]> => {
  const { writeFile } = await import('node:fs/promises');
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5), }";
  return Promise.all(
    [1, 2].map(async (version) => {
      const text = `${header.padEnd((version === 1 ? 118 : 116) - 1)}\n`;
      const length = Buffer.alloc(version === 1 ? 2 : 4);
      if (version === 1) length.writeUInt16LE(text.length);
      else length.writeUInt32LE(text.length);
      const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]);
      const path = join(folder, `stack-${version}.npy`);
      await writeFile(path, Buffer.concat([start, length, Buffer.from(text), Buffer.alloc(60, 1)]));
      return path;
    }),
  );
};

const catalogText =
  'id,tile,sensor,datetime,clear_fraction,bbox\na,13TDE,s2,2020-01-05T10:00:00Z,0.9,"[1,2,3,4]"\nb,13TDE,gf1,2020-01-06,0.5,\n';

const texts =
  (name: string, ...contents: string[]) =>
  async (folder: string): Promise<string[]> => {
    const { writeFile } = await import('node:fs/promises');
    const paths = contents.map((_, k) => join(folder, `${k}-${name}`));
    for (const [k, path] of paths.entries()) await writeFile(path, contents[k]);
    return paths;
  };

/** A notebook with an output of every kind. */
const notebookText = JSON.stringify({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: 'bandalign' } },
  cells: [
    {
      cell_type: 'markdown',
      id: 'm',
      metadata: {},
      source: ['# a $x^2$\n', '![p](attachment:p.png) `c`'],
      attachments: { 'p.png': { 'image/png': 'AAAA' } },
    },
    {
      ...{
        cell_type: 'code',
        id: 'c',
        metadata: { tags: ['parameters'] },
        execution_count: 1,
        source: 'const a = 1;',
      },
      outputs: [
        { output_type: 'stream', name: 'stdout', text: ['a\n', '\u001b[31mb\u001b[0m'] },
        { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['t'] },
        {
          output_type: 'display_data',
          metadata: {},
          data: { 'text/html': '<b>x</b>', 'image/svg+xml': '<svg/>' },
        },
        {
          output_type: 'execute_result',
          execution_count: 1,
          metadata: {},
          data: { 'text/plain': '1', 'text/latex': '$x$', 'application/json': { a: [1] } },
        },
      ],
    },
    { cell_type: 'raw', id: 'r', metadata: { raw_mimetype: 'text/html' }, source: '<i>r</i>' },
  ],
});

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
  jpeg2000: { read: allSamples, seeds: fixtures('raster-cases/jp2-4-components/in.jp2') },
  geotiff: {
    read: allSamples,
    seeds: fixtures(
      ...['raster/dressed.tif', 'raster/tiles-deflate2-pixel.tif', 'raster/strips-lzw2-band.tif'],
      ...['raster/strips-packbits-pixel.tif', 'raster/bigtiff-tiles-deflate2.tif'],
      'raster/big-endian-bigtiff-lzw2.tif',
    ),
  },
  npy: { read: allSlices, seeds: npyFiles },
  stac: {
    read: (path) => readCatalogs([path]),
    seeds: fixtures('temporal/s2_35MNM_2020.geojson'),
  },
  csv: { read: (path) => readCatalogs([path]), seeds: texts('catalog.csv', catalogText) },
  notebook: {
    read: async (path) => {
      const { htmlPage } = await import('../../src/notebook/export/html-page.js');
      const { outlineOf } = await import('../../src/notebook/export/outline.js');
      let page = '';
      for await (const piece of htmlPage(path, await outlineOf(path))) page += piece;
      return page;
    },
    seeds: texts('notebook.ipynb', notebookText),
  },
};
