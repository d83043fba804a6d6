import type { Halo } from '../apply-conv.js';
import type { ConvModule } from '../mapping.js';

/**
 * The conv module on a window in plain JavaScript. Every pixel adds its taps in float32 in the same order (input
 * band, kernel row, kernel column), so that neither the window nor the form (see fused/apply-conv.ts) changes a bit.
 */
export const convRows = (
  { bands, weight, scale, shift }: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  halo: Halo,
  out: Float32Array,
): void => {
  const round = Math.fround;
  const stride = width + halo.left + halo.right;
  const rows = height + halo.top + halo.bottom;
  const sum = new Float32Array(width);
  for (let output = 0; output < bands; output++)
    for (let row = 0; row < height; row++) {
      sum.fill(0);
      for (let input = 0; input < bands; input++)
        for (let tap = 0; tap < 9; tap++) {
          const inputRow = row + halo.top + Math.floor(tap / 3) - 1;
          if (inputRow < 0 || inputRow >= rows) continue;
          const shiftX = halo.left + (tap % 3) - 1;
          const from = (input * rows + inputRow) * stride + shiftX;
          const first = Math.max(0, -shiftX);
          const last = Math.min(width, stride - shiftX);
          const w = weight[(output * bands + input) * 9 + tap];
          for (let x = first; x < last; x++) sum[x] = round(sum[x] + round(w * y[from + x]));
        }
      const at = (output * height + row) * width;
      const centre = (output * rows + row + halo.top) * stride + halo.left;
      const factor = round(scale[output]);
      const offset = round(shift[output]);
      for (let x = 0; x < width; x++) {
        const a = round(round(factor * sum[x]) + offset);
        // Math.max would turn −0 to 0, the fused form keeps it
        out[at + x] = round(y[centre + x] + (a < 0 ? 0 : a));
      }
    }
};
