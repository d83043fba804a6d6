import type { Random } from '../../config/random.js';

/** Mixes 32 bits (Wellons's `lowbias32`): neighbouring inputs give unrelated outputs. */
const mix = (value: number): number => {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
};

const tableBits = 12;
const tableSize = 1 << tableBits;

/** Standard normal quantiles at the middle of 4096 equal shares, by bisection of the error function's series. */
const quantiles = ((): Float32Array => {
  // Abramowitz and Stegun 26.2.17, |error| < 7.5e-8: ample for noise
  const cumulative = (x: number): number => {
    const t = 1 / (1 + 0.2316419 * Math.abs(x));
    const tail =
      Math.exp((-x * x) / 2) *
      0.3989422804014327 *
      t *
      (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    return x < 0 ? tail : 1 - tail;
  };
  return Float32Array.from({ length: tableSize }, (_, i) => {
    const share = (i + 0.5) / tableSize;
    let [low, high] = [-5, 5];
    for (let step = 0; step < 40; step++) {
      const middle = (low + high) / 2;
      if (cumulative(middle) < share) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  });
})();

/** White standard normal noise by index: no state, so that any order of pixels gives the same values. */
export const whiteNoise = (seed: number): ((index: number) => number) => {
  const key = mix(seed);
  return (index) => quantiles[mix(index ^ key) >>> (32 - tableBits)];
};

/** Adds one row of an octave. */
const addNoiseRow = (
  out: Float32Array,
  from: number,
  lattice: Float32Array,
  top: number,
  knots: number,
  at: Int32Array,
  share: Float32Array,
  s: number,
): void => {
  for (let column = 0; column < at.length; column++) {
    const corner = top + at[column];
    const u = share[column];
    const above = lattice[corner] + u * (lattice[corner + 1] - lattice[corner]);
    const below = lattice[corner + knots] + u * (lattice[corner + knots + 1] - lattice[corner + knots]);
    out[from + column] += above + s * (below - above);
  }
};

/**
 * Smooth noise over a square of `size` pixels: a lattice of normal values `spacing` pixels apart, interpolated with
 * smooth steps, plus octaves at half the spacing and half the strength. About zero mean and unit variance.
 *
 * @param rows only that many from the top are wanted
 */
export const smoothNoise = (
  random: Random,
  size: number,
  spacing: number,
  octaves: number,
  rows = size,
): Float32Array => {
  const out = new Float32Array(size * rows);
  let variance = 0;
  for (let octave = 0; octave < octaves; octave++) {
    const step = spacing / 2 ** octave;
    const strength = 0.5 ** octave;
    variance += strength ** 2 * 0.55; // smooth steps between four values keep about 0.55 of their variance
    const knots = Math.ceil(size / step) + 2;
    const lattice = Float32Array.from({ length: knots * knots }, () => random.normal() * strength);
    const at = new Int32Array(size);
    const share = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const position = i / step;
      at[i] = Math.floor(position);
      const t = position - at[i];
      share[i] = t * t * (3 - 2 * t);
    }
    for (let row = 0; row < rows; row++)
      addNoiseRow(out, row * size, lattice, at[row] * knots, knots, at, share, share[row]);
  }
  const scale = 1 / Math.sqrt(variance);
  for (let i = 0; i < out.length; i++) out[i] *= scale;
  return out;
};
