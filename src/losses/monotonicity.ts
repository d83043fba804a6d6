import type { Penalty } from './penalty.js';

/** What the LUTs decrease, as published: with d[k] = L[k] − L[k+1], mean(ReLU(d))·numel(L). */
export const monotonicity: Penalty = {
  name: 'monotonicity',
  of: (lut, { knots }) => {
    // the mean is over knots − 1 differences, numel counts knots
    const factor = knots / (knots - 1);
    const gradient = new Float32Array(lut.length);
    let sum = 0;
    for (let row = 0; row < lut.length; row += knots)
      for (let k = row; k < row + knots - 1; k++) {
        const d = lut[k] - lut[k + 1];
        if (d <= 0) continue;
        sum += d;
        gradient[k] += factor;
        gradient[k + 1] -= factor;
      }
    return { value: sum * factor, gradient };
  },
};
