import { bandMax, handMadeConv, handMadeKnots } from './hand-made-aligner.js';

interface Raw {
  width: number;
  height: number;
  /** Stored values. */
  bands: ArrayLike<number>[];
  nodata: number | null;
  gain?: number;
  offset?: number;
  withConv: boolean;
  type: 'uint16' | 'int16' | 'float32';
}

/**
 * Alignment as its definition reads, whole image in memory and nothing clever: units, histogram, LUT by formula,
 * convolution by nested loops in float32 steps as the operator's contract says, rounding, nodata.
 */
export const alignedInMemory = (raw: Raw): number[][] => {
  const { width, height, bands, nodata, gain = 1, offset = 0, withConv, type } = raw;
  const isEmpty = (value: number): boolean => value === nodata || Number.isNaN(value);
  const units = bands.map((band) =>
    Array.from(band, (value) => (isEmpty(value) ? 0 : Math.fround(value * gain + offset))),
  );
  const histogram = new Float64Array(4 * 256);
  units.forEach((band, b) => {
    band.forEach((value, i) => {
      if (isEmpty(bands[b][i]) || value < 0 || value > bandMax[b]) return;
      histogram[b * 256 + Math.min(255, Math.floor((value * 256) / bandMax[b]))]++;
    });
  });
  const { values } = handMadeKnots(histogram);
  const f = Math.fround;
  const lut = (b: number, value: number): number => {
    const v = Math.trunc(Math.min(Math.max(value, 0), bandMax[b] - 1));
    const knot = Math.min(Math.floor((v * 255) / (bandMax[b] - 1)), 254);
    const w = f((v * 255 - knot * (bandMax[b] - 1)) / (bandMax[b] - 1));
    return f(f(f(1 - w) * values[b * 256 + knot]) + f(w * values[b * 256 + knot + 1]));
  };
  const y = units.map((band, b) => band.map((value) => lut(b, value)));
  return y.map((band, o) =>
    band.map((value, i) => {
      const stored = bands[o][i];
      if (isEmpty(stored)) return nodata ?? Number.NaN;
      const out = withConv ? convolved(y, o, i, width, height) : value;
      if (type === 'float32') return out;
      const [low, high] = type === 'uint16' ? [0, 65535] : [-32768, 32767];
      const whole = Math.min(high, Math.max(low, Math.floor(out + 0.5)));
      return whole === nodata ? whole + 1 : whole;
    }),
  );
};

const convolved = (y: number[][], o: number, i: number, width: number, height: number): number => {
  const { weight, scale, shift } = handMadeConv;
  const f = Math.fround;
  const [row, column] = [Math.floor(i / width), i % width];
  let sum = 0;
  for (let c = 0; c < 4; c++)
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++) {
        const [r, x] = [row + dy, column + dx];
        if (r < 0 || r >= height || x < 0 || x >= width) continue;
        sum = f(sum + f(weight[((o * 4 + c) * 3 + dy + 1) * 3 + dx + 1] * y[c][r * width + x]));
      }
  return f(y[o][i] + Math.max(0, f(f(f(scale[o]) * sum) + f(shift[o]))));
};
