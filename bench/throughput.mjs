// Statistics, packing, evaluation and application on the same patches.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../dist/dataset/cache.js';
import { openDataset } from '../dist/dataset/layout.js';
import { patchColumns } from '../dist/dataset/statistics-table.js';
import { applyConv } from '../dist/engine/conv.js';
import { evaluate } from '../dist/evaluation/evaluate.js';
import { applyMapping } from '../dist/models/mapping.js';
import { projectedGeoreference } from '../dist/raster/georeference.js';
import { writeGeoTiff } from '../dist/raster/write-geotiff.js';
import { applyScene } from '../dist/scenes/apply-scene.js';
import { bandMax, shapeOf } from './make-data.mjs';
import { median, timed } from './measure.mjs';
import { experimentOf } from './training.mjs';

const edge = 512;
const { knots } = shapeOf();

/** A LUT of slope 0.9 and a conv module of small weights: any will do. */
const mapping = {
  form: 'lut',
  knots,
  bandMax,
  values: Float32Array.from(
    { length: 4 * knots },
    (_, i) => 1 + (bandMax[Math.floor(i / knots)] * 0.9 * (i % knots)) / (knots - 1),
  ),
};
const conv = {
  bands: 4,
  weight: Float32Array.from({ length: 144 }, (_, i) => Math.sin(i * 1.7) * 0.2),
  scale: Float32Array.of(0.9, 1.1, 0.5, 0.7),
  shift: Float32Array.of(3.5, -20, 11.25, 0),
};

/** Milliseconds of the statistics of a decoded 512 × 512 × 4 patch, one core. */
export const statistics = async (pixels, times) => {
  const shape = shapeOf();
  const taken = [];
  for (const patch of pixels) taken.push(await timed(() => patchColumns(patch, shape), times));
  return median(taken);
};

/**
 * Patches a second of `dataset pack`, decoded from warm files, into an empty cache, hashing and writing included.
 * @param pixels with packed pixels, or statistics alone
 */
export const packing = async (root, cacheFolder, pixels, times) => {
  const { data } = experimentOf('lut');
  const dataset = await openDataset(root, data, {});
  const before = process.env.BANDALIGN_CACHE;
  const taken = [];
  try {
    for (let i = 0; i < times; i++) {
      process.env.BANDALIGN_CACHE = join(cacheFolder, `pack-${i}`);
      const start = performance.now();
      const cache = await openCache({ dataset, data, knots, pixels });
      taken.push((performance.now() - start) / 1000);
      await cache.close();
      rmSync(process.env.BANDALIGN_CACHE, { recursive: true });
    }
  } finally {
    process.env.BANDALIGN_CACHE = before;
  }
  return dataset.all.length / median(taken);
};

/** Patches a second of the test pass: packed pixels read, aligned, compared. */
export const evaluation = async (data, kind, times) => {
  const experiment = experimentOf(kind);
  const patches = data.lists.train;
  const input = { data: experiment.data, split: 'test', patches, read: data.read, onProgress: () => {} };
  const once = () =>
    evaluate({ ...input, mapping: async () => mapping, conv: kind === 'conv' ? conv : null });
  return (1000 * patches.length) / (await timed(once, times));
};

/** Megapixels (of 4 bands) a second of the mapping on pixels in memory, one core. */
export const application = async (pixels, kind, times) => {
  const [y, out] = [new Float32Array(4 * edge ** 2), new Float32Array(4 * edge ** 2)];
  let at = 0;
  const once = () => {
    applyMapping(mapping, pixels[at++ % pixels.length].source, edge ** 2, y);
    if (kind === 'conv') applyConv(conv, y, edge, edge, out);
  };
  return edge ** 2 / 1000 / (await timed(once, times));
};

/** Megapixels a second of `bandalign apply`: a GeoTIFF read, aligned, written as COG with overviews, all cores. */
export const scene = async (pixels, folder, blocks, times) => {
  const size = blocks * edge;
  const bands = Array.from({ length: 4 }, () => new Uint16Array(size * size));
  for (let block = 0; block < blocks ** 2; block++) {
    const { source } = pixels[block % pixels.length];
    const corner = Math.floor(block / blocks) * edge * size + (block % blocks) * edge;
    for (let band = 0; band < 4; band++)
      for (let row = 0; row < edge; row++) {
        const from = (band * edge + row) * edge;
        bands[band].set(source.subarray(from, from + edge), corner + row * size);
      }
  }
  const path = join(folder, 'scene.tif');
  const georeference = projectedGeoreference(32631, 300000, 5000000, 16);
  await writeGeoTiff(path, { width: size, height: size, bands, georeference, tile: 512 });
  const aligner = {
    experiment: experimentOf('lut'),
    weightsDigest: '0'.repeat(64),
    mapping: async () => mapping,
    conv: null,
    domain: null,
    residuals: null,
  };
  let count = 0;
  const once = () =>
    applyScene(
      { inputs: [path], out: join(folder, `aligned-${count++}.tif`), boaOffset: 0 },
      { aligner, weights: 'bench' },
    );
  return size ** 2 / 1000 / (await timed(once, times));
};
