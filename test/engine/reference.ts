// Plain loops that the kernels are compared with.
import type { PatchPixels } from '../../src/dataset/patch.js';
import type { AdamStep } from '../../src/engine/adam.js';
import type { ConvModule, Halo } from '../../src/engine/conv.js';
import { normEpsilon, type UnetSpec, unetLayout } from '../../src/engine/layout.js';

interface PixelReference {
  lut: ArrayLike<number>;
  conv: ArrayLike<number>;
  running: ArrayLike<number>;
  patches: readonly PatchPixels[];
  bandMax: readonly number[];
  knots: number;
  norm: 'batch' | 'running';
}

/** The error of LUT and conv module as the published code states it, in float64 and pixel by pixel. */
export const pixelErrorReference = ({
  lut,
  conv,
  running,
  patches,
  bandMax,
  knots,
  norm,
}: PixelReference): number => {
  const bands = bandMax.length;
  const { width, height } = patches[0];
  const pixels = width * height;
  const y = patches.map(({ source }, sample) =>
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
    patches.forEach(({ target, mask }, sample) => {
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

/**
 * The conv module on a window in plain JavaScript. Every pixel adds its taps in float32 in the same order (input
 * band, kernel row, kernel column), as the kernel does.
 */
export const convReference = (
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
        // Math.max would turn −0 to 0, the kernel keeps it
        out[at + x] = round(y[centre + x] + (a < 0 ? 0 : a));
      }
    }
};

/** Adam in float64 within an element, rounded once when it is stored. */
export const adamReference = (options: AdamStep): void => {
  const { theta, gradient, m, v, ema, step, lr, beta1, beta2, epsilon, weightDecay, emaDecay } = options;
  for (let i = 0; i < theta.length; i++) {
    const slope = gradient[i] + weightDecay * theta[i];
    m[i] = beta1 * m[i] + (1 - beta1) * slope;
    v[i] = beta2 * v[i] + (1 - beta2) * slope * slope;
    const mean = m[i] / (1 - beta1 ** step);
    const square = v[i] / (1 - beta2 ** step);
    theta[i] -= (lr * mean) / (Math.sqrt(square) + epsilon);
    if (ema) ema[i] += (1 - emaDecay) * (theta[i] - ema[i]);
  }
};

/** [sample][channel][position] */
type Planes = number[][][];

/** The UNet in float64, as the published code states it; `moved` the running statistics after the pass. */
export const unetReference = (
  spec: UnetSpec,
  samples: number,
  norm: 'batch' | 'running',
  theta: ArrayLike<number>,
  running: ArrayLike<number>,
  input: ArrayLike<number>,
): { out: number[]; moved: number[] } => {
  const layout = unetLayout(spec);
  const moved = Array.from(running);
  const offsets = new Map(
    [...layout.parameters, ...layout.running].map(({ name, offset }) => [name, offset]),
  );
  const at = (name: string): number => offsets.get(`unet.${name}`)!;
  const map = (x: Planes, channels: number, of: (plane: number[][], channel: number) => number[]): Planes =>
    x.map((planes) => Array.from({ length: channels }, (_, channel) => of(planes, channel)));

  const conv3 = (x: Planes, name: string, channels: number): Planes => {
    const [weight, bias] = [at(`${name}.weight`), at(`${name}.bias`)];
    return map(x, channels, (planes, output) =>
      planes[0].map((_, i) => {
        let sum = theta[bias + output];
        for (const [channel, plane] of planes.entries())
          for (let tap = 0; tap < 3; tap++)
            sum += theta[weight + (output * planes.length + channel) * 3 + tap] * (plane[i + tap - 1] ?? 0);
        return sum;
      }),
    );
  };
  const moments = (values: number[]): [mean: number, variance: number] => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length];
  };
  const normRelu = (x: Planes, name: string): Planes => {
    const channels = x[0].length;
    const perGroup = channels / spec.groups;
    const statistics = (planes: number[][], channel: number): [number, number] => {
      if (spec.norm === 'group') {
        const first = Math.floor(channel / perGroup) * perGroup;
        return moments(planes.slice(first, first + perGroup).flat());
      }
      const [mean, variance] = [at(`${name}.running_mean`) + channel, at(`${name}.running_var`) + channel];
      if (norm === 'running') return [running[mean], running[variance]];
      const values = x.flatMap((sample) => sample[channel]);
      const [own, biased] = moments(values);
      moved[mean] = 0.9 * running[mean] + 0.1 * own;
      moved[variance] = 0.9 * running[variance] + (0.1 * biased * values.length) / (values.length - 1);
      return [own, biased];
    };
    return map(x, channels, (planes, channel) => {
      const [mean, variance] = statistics(planes, channel);
      const scale = theta[at(`${name}.weight`) + channel] / Math.sqrt(variance + normEpsilon);
      const shift = theta[at(`${name}.bias`) + channel];
      return planes[channel].map((value) => Math.max(0, (value - mean) * scale + shift));
    });
  };
  const doubleConv = (x: Planes, name: string, channels: number): Planes => {
    const between = normRelu(conv3(x, `${name}.double_conv.0`, channels), `${name}.double_conv.1`);
    return normRelu(conv3(between, `${name}.double_conv.3`, channels), `${name}.double_conv.4`);
  };
  const pool = (x: Planes): Planes =>
    map(x, x[0].length, (planes, channel) =>
      Array.from({ length: planes[channel].length >> 1 }, (_, i) =>
        Math.max(planes[channel][2 * i], planes[channel][2 * i + 1]),
      ),
    );
  const up = (x: Planes, name: string, channels: number, length: number): Planes => {
    const [weight, bias] = [at(`${name}.weight`), at(`${name}.bias`)];
    return map(x, channels, (planes, output) =>
      Array.from({ length }, (_, i) => {
        if (i >= 2 * planes[0].length) return 0;
        return planes.reduce(
          (sum, plane, channel) =>
            sum + theta[weight + (channel * channels + output) * 2 + (i % 2)] * plane[i >> 1],
          theta[bias + output],
        );
      }),
    );
  };

  const { bands, knots, width, depth } = spec;
  const x = Array.from({ length: samples }, (_, sample) =>
    Array.from({ length: bands }, (_, band) =>
      Array.from({ length: knots }, (_, k) => input[(sample * bands + band) * knots + k]),
    ),
  );
  const skips = [doubleConv(x, 'inc', width)];
  for (let level = 1; level <= depth; level++)
    skips.push(doubleConv(pool(skips[level - 1]), `down${level}.maxpool_conv.1`, width * 2 ** level));
  let current = skips[depth];
  for (let step = 1; step <= depth; step++) {
    const skip = skips[depth - step];
    const channels = width * 2 ** (depth - step);
    const below = up(current, `up${step}.up`, channels, skip[0][0].length);
    const joined = skip.map((planes, sample) => [...planes, ...below[sample]]);
    current = doubleConv(joined, `up${step}.conv`, channels);
  }
  const [weight, bias] = [at('outc.conv.weight'), at('outc.conv.bias')];
  const out = map(current, bands, (planes, band) =>
    planes[0].map((_, i) =>
      planes.reduce((sum, plane, c) => sum + theta[weight + band * width + c] * plane[i], theta[bias + band]),
    ),
  );
  return { out: out.flat(2), moved };
};
