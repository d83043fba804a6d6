import type { PatchPixels } from '../../src/dataset/patch.js';

interface Reference {
  lut: ArrayLike<number>;
  conv: ArrayLike<number>;
  running: ArrayLike<number>;
  batch: readonly PatchPixels[];
  bandMax: readonly number[];
  knots: number;
  norm: 'batch' | 'running';
}

/** The loss of LUT and conv module as the paper's code states it, in float64 and pixel by pixel. */
export const referenceLoss = ({ lut, conv, running, batch, bandMax, knots, norm }: Reference): number => {
  const bands = bandMax.length;
  const { width, height } = batch[0];
  const pixels = width * height;
  const y = batch.map(({ source }, sample) =>
    bandMax.map((max, band) =>
      Float64Array.from({ length: pixels }, (_, i) => {
        const v = Math.min(Math.max(source[band * pixels + i], 0), max - 1);
        const position = (v * (knots - 1)) / (max - 1);
        const knot = Math.min(Math.floor(position), knots - 2);
        const at = (sample * bands + band) * knots + knot;
        return lut[at] + (position - knot) * (lut[at + 1] - lut[at]);
      }),
    ),
  );
  const weights = 9 * bands * bands;
  const z = y.map((image) =>
    bandMax.map((_, output) =>
      Float64Array.from({ length: pixels }, (_, i) => {
        let sum = conv[weights + output];
        const row = Math.floor(i / width);
        const column = i % width;
        for (let input = 0; input < bands; input++)
          for (let tap = 0; tap < 9; tap++) {
            const r = row + Math.floor(tap / 3) - 1;
            const c = column + (tap % 3) - 1;
            if (r < 0 || r >= height || c < 0 || c >= width) continue;
            sum += conv[(output * bands + input) * 9 + tap] * image[input][r * width + c];
          }
        return sum;
      }),
    ),
  );
  let sse = 0;
  let valid = 0;
  for (let band = 0; band < bands; band++) {
    const all = z.flatMap((image) => Array.from(image[band]));
    const mean = norm === 'running' ? running[band] : all.reduce((sum, value) => sum + value, 0) / all.length;
    const variance =
      norm === 'running'
        ? running[bands + band]
        : all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length;
    const gamma = conv[weights + bands + band];
    const beta = conv[weights + 2 * bands + band];
    batch.forEach(({ target, mask }, sample) => {
      for (let i = 0; i < pixels; i++) {
        if (mask[i] === 0) continue;
        const a = (gamma * (z[sample][band][i] - mean)) / Math.sqrt(variance + 1e-5) + beta;
        sse += (y[sample][band][i] + Math.max(a, 0) - target[band * pixels + i]) ** 2;
        valid++;
      }
    });
  }
  return valid === 0 ? 0 : sse / valid;
};
