import { join } from 'node:path';
import { tileKey } from '../dataset/patch.js';
import { statedErrors } from '../evaluation/calibration-table.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Aligner } from '../experiments/aligner.js';
import { countErrors, emptyErrorBins, errorByReflectance } from '../figures/error-by-reflectance.js';
import { expectedErrorPlot } from '../figures/expected-error.js';
import type { Figure } from '../figures/figure.js';
import { lossCurves } from '../figures/loss-curves.js';
import { monthByRegion } from '../figures/month-by-region.js';
import { type PlacedTile, regionMaps } from '../figures/region-maps.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { inReflectance } from '../figures/theme.js';
import { type GalleryTile, tileGallery } from '../figures/tile-gallery.js';
import { tileLuts } from '../figures/tile-luts.js';
import { writeAtomic } from '../files.js';
import { addErrors, noErrors } from '../metrics/error-sums.js';
import { rmse as rmseOf } from '../metrics/rmse.js';
import { alignPixels } from '../models/mapping.js';
import { quantile } from '../quantile.js';
import { withRaster } from '../raster/read.js';
import { lutOf } from '../reports/lut-report.js';
import { patchesOf, tileReport } from '../reports/tile-report.js';
import type { FinishedRun } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';
import { lossCurveOf } from '../training/loss-curve.js';
import { type PreparedData, prepareData } from '../training/prepare-data.js';
import type { Call } from './command.js';

const tilesShown = 24;

/** Every n-th test tile, so that all regions are among them. */
export const someTiles = (run: FinishedRun, count: number): string[] => {
  const tiles = run.tiles.filter(({ split }) => split === 'test').map(({ tile }) => tile);
  const step = Math.max(1, Math.floor(tiles.length / count));
  return tiles.filter((_, i) => i % step === 0).slice(0, count);
};

const testTiles = ({ tiles }: FinishedRun): TileRecord[] => tiles.filter(({ split }) => split === 'test');

/** The RMSE of a tile's bands, summed. */
const errorOf = ({ bands }: TileRecord): number =>
  bands.reduce((sum, { squared, n }) => sum + Math.sqrt(squared / n), 0);

/** A typical test tile: its errors before and after alignment both lie close to the median tile's. */
const middleTile = (before: FinishedRun, after: FinishedRun): string => {
  const own = new Map(testTiles(after).map((record) => [record.tile, errorOf(record)]));
  const tiles = testTiles(before).map((record) => ({
    tile: record.tile,
    errors: [errorOf(record), own.get(record.tile)!],
  }));
  const medians = [0, 1].map((at) =>
    quantile(Float64Array.from(tiles, ({ errors }) => errors[at]).sort(), 0.5),
  );
  const distance = (errors: readonly number[]): number =>
    errors.reduce((sum, error, at) => sum + Math.abs(Math.log(error / medians[at])), 0);
  return tiles.toSorted((a, b) => distance(a.errors) - distance(b.errors))[0].tile;
};

/** The band whose test error alignment changes most. */
const changedBand = (before: FinishedRun, after: FinishedRun): string => {
  const ratios = before.result.scores.test.bands.map(
    ({ rmse }, band) => rmse / after.result.scores.test.bands[band].rmse,
  );
  return before.experiment.data.bands[ratios.indexOf(Math.max(...ratios))];
};

/** The README's first picture: a typical tile before and after alignment, and as the target sensor saw it. */
export const exampleTile = async (
  data: PreparedData,
  before: FinishedRun,
  after: FinishedRun,
): Promise<Figure> => {
  const aligner = await loadAligner(after.folder.best);
  const report = await tileReport(data, aligner, middleTile(before, after), { note: 'synthetic' });
  return report.beforeAfter(changedBand(before, after));
};

const galleryOf = async (data: PreparedData, aligner: Aligner, tiles: readonly string[]): Promise<Figure> => {
  const shown: GalleryTile[] = [];
  for (const tile of tiles) {
    const [patch] = await patchesOf(data, tile);
    const histogram = data.tileHistogram(tile);
    const lut = await lutOf(data, aligner, tile);
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
    const patches = await patchesOf(data, tile);
    for (const [at, aligner] of aligners.entries()) {
      const mapping = await aligner.mapping(data.tile(tile));
      for (const patch of patches)
        countErrors(series[at].errors, alignPixels(mapping, aligner.conv, patch), patch);
    }
  }
  return errorByReflectance(series, bands, {
    title: 'Error and bias by reflectance, all test pixels (synthetic)',
  });
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

/** The RMSE that a run's model stated of each test tile, and the one it had. */
const statedErrorsOf = (run: FinishedRun): Figure => {
  const { bands } = run.experiment.data;
  return expectedErrorPlot(
    bands.map((_, band) => statedErrors(testTiles(run), band)),
    bands,
    `Stated and observed error of test tiles: ${run.result.tag} (synthetic)`,
  );
};

/** What alignment takes off each test tile's RMSE, mean over bands, on the map. */
const gainsOf = async (data: PreparedData, before: FinishedRun, after: FinishedRun): Promise<Figure> => {
  const bands = before.experiment.data.bands.length;
  const own = new Map(testTiles(after).map((record) => [record.tile, errorOf(record)]));
  const placed: PlacedTile[] = [];
  for (const record of testTiles(before)) {
    const corners = await Promise.all(
      data.ofTile(record.tile).map(({ source }) =>
        withRaster(source.path, async ({ georeference, width, height }) => {
          if (!georeference) return [];
          const [x, across, , y, , down] = georeference.transform;
          return [
            [x, y],
            [x + across * width, y + down * height],
          ];
        }),
      ),
    );
    const [xs, ys] = [0, 1].map((axis) => corners.flat().map((corner) => corner[axis] / 1000));
    if (xs.length === 0) continue;
    const [left, top] = [Math.min(...xs), Math.max(...ys)];
    placed.push({
      ...{ tile: record.tile, region: record.region, left, top },
      ...{ width: Math.max(...xs) - left, height: top - Math.min(...ys) },
      value: (errorOf(record) - own.get(record.tile)!) / bands,
    });
  }
  return regionMaps(
    placed,
    { label: 'gain', unit: '' },
    `RMSE that ${after.result.tag} takes off each test tile, mean over bands [reflectance × 10⁴] (synthetic)`,
  );
};

/**
 * Draws the figures of finished runs as SVG files in `results`: `before-after`, `tile-gallery`, `tile-luts`,
 * `loss-curves`, `error-by-reflectance`, `month-by-region`, `stated-error`, `tile-gain`.
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
  const recommended = run('recommended');
  const { experiment } = adaptive;
  // the recommended model looks at joint statistics
  const data = await prepareData(recommended.experiment, root, {
    onProgress: call.progress,
    signal: call.signal,
  });
  try {
    const aligner = await loadAligner(adaptive.folder.best);
    const tiles = someTiles(adaptive, tilesShown);
    const luts = await Promise.all(
      tiles.map(async (tile) => ({ tile, lut: await lutOf(data, aligner, tile) })),
    );
    const global = await lutOf(data, await loadAligner(run('global-lut').folder.best), tiles[0]);
    const shares = tiles.map((tile) => data.tileHistogram(tile));
    const compared = ['global-lut', 'multi-cubic', 'unet-lut', 'recommended'].map(run);
    const figures: Record<string, Figure> = {
      'before-after': await exampleTile(data, run('identity'), recommended),
      'tile-gallery': await galleryOf(data, aligner, someTiles(adaptive, 4)),
      'tile-luts': tileLuts(luts, global, experiment.data.bands, shares, {
        title: `LUTs of ${luts.length} test tiles (synthetic)`,
      }),
      'loss-curves': lossCurves(
        await Promise.all(trained.map((one) => lossCurveOf(one))),
        'Training (lines) and validation (circles) error (synthetic)',
      ),
      'error-by-reflectance': await errorsOf(data, compared, call.signal),
      'month-by-region': monthsOf([run('global-lut'), recommended]),
      'stated-error': statedErrorsOf(recommended),
      'tile-gain': await gainsOf(data, run('identity'), recommended),
    };
    for (const [name, figure] of Object.entries(figures))
      await writeAtomic(join(results, `${name}.svg`), await renderFigure(figure, { format: 'svg' }));
  } finally {
    await data.close();
  }
};
