import { join } from 'node:path';
import { type PatchPixels, tileKey } from '../dataset/patch.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Aligner } from '../experiments/aligner.js';
import { beforeAfter } from '../figures/before-after.js';
import type { DensityPanel } from '../figures/density-scatter.js';
import { countErrors, emptyErrorBins, errorByReflectance } from '../figures/error-by-reflectance.js';
import type { Figure } from '../figures/figure.js';
import { countPixels, emptyJointCounts } from '../figures/joint-counts.js';
import { lossCurves } from '../figures/loss-curves.js';
import { monthByRegion } from '../figures/month-by-region.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { inReflectance } from '../figures/theme.js';
import { type GalleryTile, tileGallery } from '../figures/tile-gallery.js';
import { tileLuts } from '../figures/tile-luts.js';
import { writeAtomic } from '../files.js';
import { addErrors, noErrors } from '../metrics/error-sums.js';
import { r2 as r2Of } from '../metrics/r2.js';
import { rmse as rmseOf } from '../metrics/rmse.js';
import { alignPixels, type Knots } from '../models/mapping.js';
import type { Tile } from '../models/model.js';
import type { EpochRecord } from '../training/fit.js';
import type { FinishedRun } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';
import { type PreparedData, prepareData } from '../training/prepare-data.js';
import { readLines } from '../training/result.js';
import type { Call } from './command.js';

const curveOf = async ({ result, folder }: FinishedRun) => {
  const records = await readLines<EpochRecord>(folder.metrics);
  const validated = records.filter(({ val }) => val);
  return {
    label: result.tag,
    epochs: records.map(({ epoch }) => epoch),
    train: records.map(({ mse }) => mse),
    validated: validated.map(({ epoch }) => epoch),
    val: validated.map(({ val }) => val!.mse),
  };
};

const tilesShown = 24;

/** Every n-th test tile, so that all regions are among them. */
export const someTiles = (run: FinishedRun, count: number): string[] => {
  const tiles = run.tiles.filter(({ split }) => split === 'test').map(({ tile }) => tile);
  const step = Math.max(1, Math.floor(tiles.length / count));
  return tiles.filter((_, i) => i % step === 0).slice(0, count);
};

const asLut = async (path: string, tile: Tile): Promise<Knots> => {
  const mapping = await (await loadAligner(path)).mapping(tile);
  if (mapping.form !== 'lut') throw new Error(`${path} holds no LUT`);
  return mapping;
};

const testTiles = ({ tiles }: FinishedRun): TileRecord[] => tiles.filter(({ split }) => split === 'test');

/** The RMSE of a tile's bands, summed. */
const errorOf = ({ bands }: TileRecord): number =>
  bands.reduce((sum, { squared, n }) => sum + Math.sqrt(squared / n), 0);

/** The test tile with the median gain, so that the example is typical. */
export const middleTile = (before: FinishedRun, after: FinishedRun): string => {
  const own = new Map(testTiles(after).map((record) => [record.tile, errorOf(record)]));
  const gains = testTiles(before)
    .map((record) => ({ tile: record.tile, gain: errorOf(record) - own.get(record.tile)! }))
    .sort((a, b) => a.gain - b.gain);
  return gains[Math.floor(gains.length / 2)].tile;
};

/** The band whose test error alignment changes most. */
export const changedBand = (before: FinishedRun, after: FinishedRun): number => {
  const ratios = before.result.scores.test.bands.map(
    ({ rmse }, band) => rmse / after.result.scores.test.bands[band].rmse,
  );
  return ratios.indexOf(Math.max(...ratios));
};

/** Copies of the patches of a tile: `read` reuses its arrays. */
const pixelsOf = async (data: PreparedData, tile: string): Promise<PatchPixels[]> => {
  const patches: PatchPixels[] = [];
  for (const patch of data.ofTile(tile)) patches.push(structuredClone(await data.read(patch)));
  return patches;
};

/** Density, RMSE and R² of one band over some patches. */
const densityOf = (
  images: readonly ArrayLike<number>[],
  patches: readonly PatchPixels[],
  band: number,
  [low, high]: readonly [number, number],
): DensityPanel => {
  const joint = emptyJointCounts(low, high);
  const sums = noErrors();
  for (const [at, patch] of patches.entries()) {
    countPixels(joint, images[at], patch, band);
    const pixels = patch.width * patch.height;
    for (let i = band * pixels; i < (band + 1) * pixels; i++) {
      if (patch.mask[i - band * pixels] === 0) continue;
      const error = images[at][i] - patch.target[i];
      addErrors(sums, {
        ...{ n: 1, error, squared: error ** 2, absolute: Math.abs(error) },
        ...{ target: patch.target[i], targetSquared: patch.target[i] ** 2 },
      });
    }
  }
  const [rmse, r2] = [rmseOf.of(sums), r2Of.of(sums)];
  return { joint, rmse, r2 };
};

/** The range of the valid pixels of one band over all images, 5 % wider. */
const rangeOf = (
  images: readonly ArrayLike<number>[],
  patches: readonly PatchPixels[],
  band: number,
): [number, number] => {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [at, image] of images.entries()) {
    const { width, height, mask } = patches[at % patches.length];
    for (let i = 0; i < width * height; i++) {
      if (mask[i] === 0) continue;
      low = Math.min(low, image[band * width * height + i]);
      high = Math.max(high, image[band * width * height + i]);
    }
  }
  const beside = 0.025 * (high - low);
  return [Math.max(0, Math.floor(low - beside)), Math.ceil(high + beside)];
};

/** The README's first picture: a tile before and after alignment, and as the target sensor saw it. */
export const exampleTile = async (
  data: PreparedData,
  aligner: Aligner,
  tile: string,
  shown: number,
): Promise<Figure> => {
  const { bands } = aligner.experiment.data;
  const patches = await pixelsOf(data, tile);
  const mapping = await aligner.mapping(data.tile(tile));
  const sources = patches.map(({ source }) => source);
  const targets = patches.map(({ target }) => target);
  const aligned = patches.map((patch) => alignPixels(mapping, aligner.conv, patch));
  const range = rangeOf([...sources, ...targets], patches, shown);
  return beforeAfter(
    {
      before: { heading: 'S2', values: sources[0], density: densityOf(sources, patches, shown, range) },
      after: {
        heading: 'S2 aligned',
        values: aligned[0],
        density: densityOf(aligned, patches, shown, range),
      },
      target: { heading: 'GF-1', values: targets[0] },
    },
    patches[0],
    bands[shown],
    { title: `Before and after alignment: tile ${tile} (synthetic)` },
  );
};

const galleryOf = async (data: PreparedData, aligner: Aligner, tiles: readonly string[]): Promise<Figure> => {
  const shown: GalleryTile[] = [];
  for (const tile of tiles) {
    const [patch] = await pixelsOf(data, tile);
    const histogram = data.tileHistogram(tile);
    const lut = (await aligner.mapping(data.tile(tile))) as Knots;
    shown.push({ image: { heading: tile, values: patch.source, ...patch }, histogram, lut });
  }
  return tileGallery(shown, aligner.experiment.data.bands, {
    title: 'Tiles, their histograms and LUTs (synthetic)',
  });
};

/** RMSE by the target's reflectance of some runs, over all test pixels. */
const errorsOf = async (
  data: PreparedData,
  runs: readonly FinishedRun[],
  signal?: AbortSignal,
): Promise<Figure> => {
  const { bands, bandMax } = runs[0].experiment.data;
  const series = runs.map(({ result }) => ({ name: result.tag, errors: emptyErrorBins(bandMax) }));
  const aligners = await Promise.all(runs.map(({ folder }) => loadAligner(folder.best)));
  for (const tile of new Set(data.lists.test.map(tileKey))) {
    signal?.throwIfAborted();
    const patches = await pixelsOf(data, tile);
    for (const [at, aligner] of aligners.entries()) {
      const mapping = await aligner.mapping(data.tile(tile));
      for (const patch of patches)
        countErrors(series[at].errors, alignPixels(mapping, aligner.conv, patch), patch);
    }
  }
  return errorByReflectance(series, bands, { title: 'Error by reflectance, all test pixels (synthetic)' });
};

/** RMSE over all bands of each region and month, for two runs. */
const monthsOf = (runs: readonly FinishedRun[]): Figure => {
  const regions = [...new Set(testTiles(runs[0]).map(({ region }) => region))].sort();
  return monthByRegion(
    regions,
    runs.map((run) => ({
      label: `${run.result.tag}: ${inReflectance('RMSE over all bands')}`,
      values: regions.map((region) =>
        Array.from({ length: 12 }, (_, month) => {
          const sums = noErrors();
          for (const tile of testTiles(run))
            if (tile.region === region && Number(tile.date.slice(4, 6)) === month + 1)
              for (const band of tile.bands) addErrors(sums, band);
          return sums.n > 0 ? rmseOf.of(sums) : null;
        }),
      ),
    })),
    { title: 'Test error by month and region (synthetic)', commonScale: true },
  );
};

/**
 * Draws the figures of finished runs as SVG files in `results`: `before-after`, `tile-gallery`, `tile-luts`,
 * `loss-curves`, `error-by-reflectance`, `month-by-region`.
 */
export const drawResults = async (
  root: string,
  runs: readonly FinishedRun[],
  results: string,
  call: Pick<Call, 'progress' | 'signal'>,
): Promise<void> => {
  const trained = runs.filter(({ result }) => result.training);
  const run = (tag: string): FinishedRun => runs.find(({ result }) => result.tag === tag)!;
  const adaptive = run('unet-lut');
  const { experiment } = adaptive;
  const data = await prepareData(experiment, root, { onProgress: call.progress, signal: call.signal });
  try {
    const aligner = await loadAligner(adaptive.folder.best);
    const tiles = someTiles(adaptive, tilesShown);
    const luts = await Promise.all(
      tiles.map(async (tile) => ({ tile, lut: (await aligner.mapping(data.tile(tile))) as Knots })),
    );
    const global = await asLut(run('global-lut').folder.best, data.tile(tiles[0]));
    const shares = tiles.map((tile) => data.tileHistogram(tile));
    const compared = ['linear', 'global-lut', 'unet-lut'].map(run);
    const figures: Record<string, Figure> = {
      'before-after': await exampleTile(
        data,
        aligner,
        middleTile(run('identity'), adaptive),
        changedBand(run('identity'), adaptive),
      ),
      'tile-gallery': await galleryOf(data, aligner, someTiles(adaptive, 4)),
      'tile-luts': tileLuts(luts, global, experiment.data.bands, shares, {
        title: `LUTs of ${luts.length} test tiles (synthetic)`,
      }),
      'loss-curves': lossCurves(
        await Promise.all(trained.map(curveOf)),
        'Training (lines) and validation (circles) error (synthetic)',
      ),
      'error-by-reflectance': await errorsOf(data, compared, call.signal),
      'month-by-region': monthsOf([run('global-lut'), adaptive]),
    };
    for (const [name, figure] of Object.entries(figures))
      await writeAtomic(join(results, `${name}.svg`), await renderFigure(figure, { format: 'svg' }));
  } finally {
    await data.close();
  }
};
