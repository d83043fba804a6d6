import type { Experiment } from '../config/schema.js';
import type { BandStatistics } from '../dataset/statistics.js';
import { identityKnots, type SummedRows } from '../dataset/statistics-table.js';
import type { Knots } from '../ops/mapping.js';
import { matchHistograms } from './histogram-matching.js';
import { fitLine } from './linear.js';
import type { Affine, Mapping } from './mapping.js';
import { smoothLut } from './smooth-lut.js';

/** A λ so small that it only fills bins without pixels: the oracle must be a bound. */
const oracleSmoothness = 1e-9;

const lut = ({ data, model }: Experiment, bands: readonly Float64Array[]): Knots => {
  const values = new Float32Array(bands.length * model.knots);
  for (const [band, knots] of bands.entries()) values.set(knots, band * model.knots);
  return { form: 'lut', knots: model.knots, bandMax: data.bandMax, values };
};

const lutOfStatistics = (
  experiment: Experiment,
  bands: readonly BandStatistics[],
  smoothness: number,
): Knots =>
  lut(
    experiment,
    bands.map((band, i) =>
      smoothLut(band, identityKnots(experiment.data.bandMax[i], experiment.model.knots), smoothness),
    ),
  );

/** The best LUT of these pixels, smoothed as configured. */
export const fitGlobalLut = (experiment: Experiment, sums: SummedRows): Knots =>
  lutOfStatistics(experiment, sums.bands, experiment.model.globalLut.smoothness);

/** The lowest error that any LUT can reach on these pixels: a bound, never a method. */
export const fitOracle = (experiment: Experiment, sums: SummedRows): Knots =>
  lutOfStatistics(experiment, sums.bands, oracleSmoothness);

/** S2 as it is. */
export const identity = (bands: number): Affine => ({
  form: 'affine',
  slope: new Array<number>(bands).fill(1),
  intercept: new Array<number>(bands).fill(0),
});

/** Fits a model that has a closed form on the training pixels' sums. */
export const fitClosedForm = (experiment: Experiment, sums: SummedRows): Mapping => {
  const { data, model } = experiment;
  switch (model.kind) {
    case 'identity':
      return identity(data.bands.length);
    case 'linear': {
      const lines = sums.bands.map(({ moments }) => fitLine(moments, model.linear.method));
      return {
        form: 'affine',
        slope: lines.map(({ slope }) => slope),
        intercept: lines.map(({ intercept }) => intercept),
      };
    }
    case 'histogram-matching':
      return lut(
        experiment,
        data.bandMax.map((max, band) =>
          matchHistograms(sums.sourceHistogram[band], sums.targetHistogram[band], max, model.knots),
        ),
      );
    case 'global-lut':
      return fitGlobalLut(experiment, sums);
    default:
      throw new Error(`fitClosedForm: ${model.kind}`);
  }
};
