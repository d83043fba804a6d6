/**
 * Weights [out, in, 3, 3] as kernels/conv-rows.ts takes them, [⌈bands / 4⌉][in, 3, 3, 4 outputs], each value four
 * times; the outputs missing from the last four stay as they are in `out` (zero).
 *
 * @param turned of the transposed convolution instead, which carries gradients back
 */
export const arrangeWeights = (
  weights: Float32Array,
  bands: number,
  turned: boolean,
  out: Float32Array,
): void => {
  for (let block = 0; block * 4 < bands; block++)
    for (let input = 0; input < bands; input++)
      for (let tap = 0; tap < 9; tap++)
        for (let lane = 0; lane < 4 && block * 4 + lane < bands; lane++) {
          const output = block * 4 + lane;
          const from = turned ? (input * bands + output) * 9 + (8 - tap) : (output * bands + input) * 9 + tap;
          const at = (((block * bands + input) * 9 + tap) * 4 + lane) * 4;
          out.fill(weights[from], at, at + 4);
        }
};
