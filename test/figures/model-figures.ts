import { beforeAfter } from '../../src/figures/before-after.js';
import { densityScatter } from '../../src/figures/density-scatter.js';
import { distanceEcdf } from '../../src/figures/distance-ecdf.js';
import { countErrors, emptyErrorBins, errorByReflectance } from '../../src/figures/error-by-reflectance.js';
import { expectedErrorPlot } from '../../src/figures/expected-error.js';
import type { Figure } from '../../src/figures/figure.js';
import { histogramPanel } from '../../src/figures/histogram-panel.js';
import { intervalPlot } from '../../src/figures/interval-plot.js';
import { countPair, emptyJointCounts } from '../../src/figures/joint-counts.js';
import { lossCurves } from '../../src/figures/loss-curves.js';
import { lutsWithHistograms } from '../../src/figures/lut-histogram.js';
import { monthByRegion } from '../../src/figures/month-by-region.js';
import { patchRgb } from '../../src/figures/patch-rgb.js';
import { regionMaps } from '../../src/figures/region-maps.js';
import { residualMap } from '../../src/figures/residual-map.js';
import { seedSpread } from '../../src/figures/seed-spread.js';
import { seriesDifference } from '../../src/figures/temporal/series-difference.js';
import { inReflectance } from '../../src/figures/theme.js';
import { tileGallery } from '../../src/figures/tile-gallery.js';
import { tileLuts } from '../../src/figures/tile-luts.js';
import { uncertaintyCalibration } from '../../src/figures/uncertainty-calibration.js';
import type { Knots } from '../../src/models/mapping.js';

const bands = ['green', 'red', 'nir'];
const bandMax = [1001, 2001, 5001];
const knots = 11;
/** Adds 10 to every value; bins 3 to 6 hold pixels, bin 5 none. */
const lut: Knots = {
  form: 'lut',
  knots,
  bandMax,
  values: Float32Array.from(
    { length: 3 * knots },
    (_, at) => ((at % knots) * (bandMax[Math.floor(at / knots)] - 1)) / (knots - 1) + 10,
  ),
};
const histogram = Array.from({ length: 3 * knots }, (_, at) => [0, 0, 0, 4, 4, 0, 2, 0, 0, 0, 0][at % knots]);

export const joint = emptyJointCounts(0, 100, 10);
for (const [x, y] of [
  [5, 5],
  [5, 5],
  [95, 15],
  [100, 50],
])
  countPair(joint, x, y);

export const image = { heading: 'S2', values: Float32Array.from({ length: 3 * 4 }, (_, i) => 100 * i) };
/** Ten errors of 1 and ten of 10, stated as 1 and 5. */
const stated = {
  name: 'kernel-lut',
  errors: Array.from({ length: 20 }, (_, i) => (i < 10 ? 1 : -10)),
  deviations: Array.from({ length: 20 }, (_, i) => (i < 10 ? 1 : 5)),
};

const errorBins = emptyErrorBins(bandMax, 10);
countErrors(
  errorBins,
  Float32Array.from({ length: 12 }, () => 103),
  {
    ...{ width: 2, height: 2, bands: 3 },
    source: new Int16Array(12),
    target: Int16Array.from({ length: 12 }, () => 100),
    mask: Uint8Array.of(1, 1, 1, 0),
  },
);

/** One of each figure of a model, of a few numbers. */
export const modelFigures: Record<string, Figure> = {
  before: beforeAfter(
    {
      before: { ...image, density: { joint, rmse: 12.34, r2: 0.5 } },
      after: { ...image, heading: 'S2 aligned', density: { joint, rmse: 8, r2: 0.9 } },
      target: { ...image, heading: 'GF1' },
    },
    { width: 2, height: 2 },
    'nir',
  ),
  calibration: uncertaintyCalibration([stated]),
  difference: seriesDifference(
    [
      { date: '2024-03-01', before: 0.03, after: 0 },
      { date: '2024-05-01', before: 0.04, after: 0.01 },
    ],
    'NDVI',
  ),
  errors: errorByReflectance([{ name: 'linear', errors: errorBins }], bands),
  gallery: tileGallery([{ image: { ...image, width: 2, height: 2 }, histogram, lut }], bands),
  months: monthByRegion(['Dryland'], [{ label: 'RMSE', values: [[1, null, ...new Array(10).fill(42.123)]] }]),
  stated: expectedErrorPlot(
    bands.map(() => [
      { tile: 'T1', stated: 30, low: 20, high: 45, observed: 41 },
      { tile: 'T2', stated: 25, low: 15, high: 40, observed: 52 },
    ]),
    bands,
  ),
  gains: regionMaps(
    ['Dryland', 'Plain'].map((region, at) => ({
      ...{ tile: `T${at}`, region, left: 300 + at, top: 5000, width: 2, height: 1, value: 10 * at - 3 },
    })),
    { label: 'gain', unit: '' },
  ),
  seeds: seedSpread(
    [{ label: 'unet-lut', values: [[3, 5, Number.NaN, 4.5]] }],
    [{ label: 'red', axis: inReflectance('RMSE') }],
  ),
  density: densityScatter(
    [{ method: 'S2', panels: bands.map(() => ({ joint, rmse: 12.34, r2: 0.5 })) }],
    bands,
  ),
  ecdf: distanceEcdf([{ name: 'linear', distances: bands.map(() => [3, 1, Number.NaN, 2]) }], bands),
  histograms: histogramPanel([{ name: 'S2', counts: histogram }], bands, bandMax),
  intervals: intervalPlot(
    [
      { label: 'linear', estimates: [{ value: 3, low: 2, high: 5, points: [2.5, 3.5] }] },
      { label: 'none', estimates: [null] },
    ],
    [{ label: 'red', axis: 'RMSE × 10⁴', reference: 4 }],
  ),
  loss: lossCurves([{ label: 'a', epochs: [1, 2], train: [4, 1], validated: [2], val: [9] }]),
  luts: lutsWithHistograms(
    [{ label: 'T1', histogram, lut, oracle: lut }],
    { name: 'all', mapping: lut },
    bands,
  ),
  rgb: patchRgb([image], { width: 2, height: 2 }, { channels: [2, 1, 0] }),
  residuals: residualMap([{ heading: 'S2', residuals: [1, Number.NaN, -3, 2] }], { width: 2, height: 2 }),
  tiles: tileLuts([{ tile: 'T1', lut }], lut, bands, [histogram]),
};
