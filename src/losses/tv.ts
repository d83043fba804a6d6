import type { Penalty } from './penalty.js';

/**
 * Total variation of the LUTs, as published (`TV_1D` of the original program, the 1-D form of Image-Adaptive-3DLUT's):
 * with d[k] = L[k] − L[k+1], mean(d²·w)·numel(L), w = 2 at the first and last difference of a LUT, else 1.
 */
export const totalVariation: Penalty = {
  name: 'tv',
  of: (lut, { knots }) => {
    // the mean is over knots − 1 differences, numel counts knots
    const factor = knots / (knots - 1);
    const gradient = new Float32Array(lut.length);
    let sum = 0;
    for (let row = 0; row < lut.length; row += knots)
      for (let k = row; k < row + knots - 1; k++) {
        const d = lut[k] - lut[k + 1];
        const weight = k === row || k === row + knots - 2 ? 2 : 1;
        sum += d * d * weight;
        const slope = 2 * d * weight * factor;
        gradient[k] += slope;
        gradient[k + 1] -= slope;
      }
    return { value: sum * factor, gradient };
  },
};
