import type { Random } from '../../config/random.js';
import type { Region } from './regions.js';
import { bandCentres } from './spectra/band-reflectance.js';
import type { SensorName } from './spectra/responses.js';

/** How one sensor saw one tile. */
export interface View {
  sensor: SensorName;
  /** Optical depth at 550 nm that the atmospheric correction left in (negative: took out too much). */
  residualHaze: number;
  /** Calibration and what is left of the bidirectional effect, a factor per band. */
  gain: readonly number[];
  /** Standard deviation of the sensor's blur, m. */
  blur: number;
  /** Displacement of its grid, m: columns, rows. */
  shift: readonly [number, number];
  /** Noise: √(floor² + (share·reflectance)²), reflectance. */
  noise: { floor: number; share: number };
}

/** Both views of a tile and the haze that they share. */
export interface Views {
  haze: number;
  camera: number;
  source: View;
  target: View;
}

/** Haze that the corrections assume as long as they see nothing else. */
const assumedHaze = 0.25;
/**
 * Share of the departure from it that stays in the image. Sentinel-2's correction finds haze over dark vegetation
 * and falls back to the standard elsewhere; Gaofen-1 has no band to see it by, so all of the departure stays.
 */
const leftIn = { source: 0.5, target: 1 };
/** Gain of the Gaofen-1 calibration against that of Sentinel-2, blue to NIR: within the 5 % that is usual. */
const calibration = [0.96, 0.97, 1.02, 1.03] as const;
const cameras = ['gaofen-1-wfv1', 'gaofen-1-wfv2', 'gaofen-1-wfv3', 'gaofen-1-wfv4'] as const;
/** Where a camera looks, from one edge of the combined swath (−1) to the other (1). */
const obliquity = [-0.75, -0.25, 0.25, 0.75];

const clamped = (value: number, limit: number): number => Math.min(limit, Math.max(-limit, value));

/**
 * Draws how the two sensors saw one tile of a region on one day.
 * @param spread what the haze's departure from the standard one is multiplied by
 */
export const drawViews = (random: Random, region: Pick<Region, 'haze' | 'camera'>, spread = 1): Views => {
  const drawn = Math.min(1, region.haze * Math.exp(0.55 * random.normal()));
  const haze = spread === 1 ? drawn : assumedHaze + spread * (drawn - assumedHaze);
  const { camera } = region;
  const gains = (base: number): number[] => {
    const common = 0.006 * random.normal();
    return calibration.map((gain) => gain * (1 + base + common + 0.003 * random.normal()));
  };
  const shift = (): number => clamped(16 * 0.2 * random.normal(), 16 * 0.42);
  return {
    haze,
    camera: camera + 1,
    source: {
      sensor: 'sentinel-2a-msi',
      residualHaze: leftIn.source * (haze - assumedHaze) + 0.01 * random.normal(),
      gain: [1, 1, 1, 1],
      blur: 6.5,
      shift: [0, 0],
      noise: { floor: 0.0006, share: 0.003 },
    },
    target: {
      sensor: cameras[camera],
      residualHaze: leftIn.target * (haze - assumedHaze) + 0.01 * random.normal(),
      gain: gains(0.012 * obliquity[camera]),
      blur: 8.5,
      shift: [shift(), shift()],
      noise: { floor: 0.001, share: 0.006 },
    },
  };
};

/**
 * Gain and offset of each band (reflectance) that a residual of haze leaves behind: light scattered into the view,
 * 0.085·τ, and light lost on the way down and up, exp(−0.25·τ), both with τ ∝ λ^−1.2.
 */
export const hazeEffect = ({ sensor, residualHaze, gain }: View): { gain: number; offset: number }[] =>
  bandCentres(sensor).map((centre, band) => {
    const depth = residualHaze * (centre / 550) ** -1.2;
    return { gain: gain[band] * Math.exp(-0.25 * depth), offset: 0.085 * depth };
  });

/** One line of the plane, blurred across: `line[column]` = Σ weights[k]·plane[top + column + k·size], in this order. */
const blurAcross = (
  weights: Float64Array,
  plane: Float32Array,
  top: number,
  size: number,
  line: Float64Array,
): void => {
  if (weights.length === 7) {
    // the usual width, without a loop in the loop
    const [a, b, c, d, e, f, g] = weights;
    for (let at = top; at < top + size; at++)
      line[at - top] =
        a * plane[at] +
        b * plane[at + size] +
        c * plane[at + 2 * size] +
        d * plane[at + 3 * size] +
        e * plane[at + 4 * size] +
        f * plane[at + 5 * size] +
        g * plane[at + 6 * size];
    return;
  }
  for (let column = 0; column < size; column++) {
    let sum = 0;
    for (let k = 0, at = top + column; k < weights.length; k++, at += size) sum += weights[k] * plane[at];
    line[column] = sum;
  }
};

/** Samples of a line, blurred along it: `out[at + i]` = Σ weights[k]·line[first + i·step + k]. */
const sampleAlong = (
  weights: Float64Array,
  line: Float64Array,
  first: number,
  step: number,
  out: Float32Array,
  at: number,
  count: number,
): void => {
  if (weights.length === 7) {
    const [a, b, c, d, e, f, g] = weights;
    for (let i = 0, from = first; i < count; i++, from += step)
      out[at + i] =
        a * line[from] +
        b * line[from + 1] +
        c * line[from + 2] +
        d * line[from + 3] +
        e * line[from + 4] +
        f * line[from + 5] +
        g * line[from + 6];
    return;
  }
  for (let i = 0, from = first; i < count; i++, from += step) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * line[from + k];
    out[at + i] = sum;
  }
};

/**
 * Blurs a fine plane with a Gaussian of `blur` fine pixels and samples it every `step` fine pixels, beginning at the
 * centre of the first output pixel plus `shift` (fine pixels) and `margin`. The plane is `size` wide and as high as it is
 * long: a square, or the upper part of one.
 */
export const resample = (
  plane: Float32Array,
  size: number,
  step: number,
  margin: number,
  blur: number,
  shift: readonly [number, number],
): Float32Array => {
  const out = Math.floor((size - 2 * margin) / step);
  // beyond this a Gaussian of a fine pixel or so is nothing; the centre is rounded by up to a half
  const reach = Math.min(margin - 1, Math.ceil(2.5 * blur));
  const count = 2 * reach + 1;
  const taps = (offset: number): { first: number; weights: Float64Array } => {
    const centre = margin + (step - 1) / 2 + offset;
    const first = Math.round(centre) - reach;
    const raw = Float64Array.from({ length: count }, (_, i) =>
      Math.exp(-0.5 * ((first + i - centre) / blur) ** 2),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  };
  const across = taps(shift[0]);
  const along = taps(shift[1]);
  const line = new Float64Array(size);
  const rows = Math.floor((plane.length / size - 2 * margin) / step);
  const result = new Float32Array(out * rows);
  for (let row = 0; row < rows; row++) {
    blurAcross(along.weights, plane, (along.first + row * step) * size, size, line);
    sampleAlong(across.weights, line, across.first, step, result, row * out, out);
  }
  return result;
};
