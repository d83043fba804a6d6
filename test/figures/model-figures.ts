import { densityScatter } from '../../src/figures/density-scatter.js';
import { distanceEcdf } from '../../src/figures/distance-ecdf.js';
import type { Figure } from '../../src/figures/figure.js';
import { histogramPanel } from '../../src/figures/histogram-panel.js';
import { intervalPlot } from '../../src/figures/interval-plot.js';
import { countPair, emptyJointCounts } from '../../src/figures/joint-counts.js';
import { lossCurves } from '../../src/figures/loss-curves.js';
import { lutsWithHistograms } from '../../src/figures/lut-histogram.js';
import { patchRgb } from '../../src/figures/patch-rgb.js';
import { residualMap } from '../../src/figures/residual-map.js';
import { tileLuts } from '../../src/figures/tile-luts.js';
import type { Knots } from '../../src/ops/mapping.js';

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
/** One of each figure of a model, of a few numbers. */
export const modelFigures: Record<string, Figure> = {
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
