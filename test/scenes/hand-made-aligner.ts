import type { ConvModule } from '../../src/engine/conv.js';
import type { Aligner } from '../../src/experiments/aligner.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import type { Knots } from '../../src/models/mapping.js';

export const bandMax = [3000, 3000, 4000, 6500];
const bins = 256;

/** A curve for each band, bent by the tile's mean bin so that it depends on the histogram. */
export const handMadeKnots = (histogram: Float64Array): Knots => {
  const values = new Float32Array(4 * bins);
  for (let band = 0; band < 4; band++) {
    let [n, sum] = [0, 0];
    for (let bin = 0; bin < bins; bin++) {
      n += histogram[band * bins + bin];
      sum += bin * histogram[band * bins + bin];
    }
    const bend = sum / Math.max(1, n) / bins;
    for (let k = 0; k < bins; k++) {
      const share = k / (bins - 1);
      values[band * bins + k] = bandMax[band] * (0.02 + share * (0.8 + 0.15 * bend * (1 - share)));
    }
  }
  return { form: 'lut', knots: bins, bandMax, values };
};

/** 3 × 3 weights that blur, sharpen and mix bands. */
export const handMadeConv: ConvModule = {
  bands: 4,
  weight: Float32Array.from({ length: 4 * 4 * 9 }, (_, i) => Math.sin(i * 1.7) * 0.2),
  scale: Float32Array.from([0.9, 1.1, 0.5, 0.7]),
  shift: Float32Array.from([3.5, -20, 11.25, 0]),
};

/** Weights as training would leave them, by hand. */
export const handMadeAligner = (over: Partial<Aligner> & { withConv?: boolean } = {}): Aligner => {
  const { withConv = false, ...rest } = over;
  return {
    experiment: resolveExperiment({ model: { conv: withConv } }),
    weightsDigest: 'ab'.repeat(32),
    mapping: async ({ histogram }) => handMadeKnots(histogram),
    conv: withConv ? handMadeConv : null,
    domain: null,
    residuals: null,
    ...rest,
  };
};
