import { createHash } from 'node:crypto';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A stream of random numbers that can be stopped, stored and continued. */
export interface Random {
  /** Uniform in [0, 1), a multiple of 2⁻⁵³. */
  next(): number;
  /** Uniform integer in [0, bound), bound ≤ 2⁵³; unbiased to 2⁻⁵³·bound. */
  integer(bound: number): number;
  /** Standard normal (Box and Muller 1958, the cosine half: two draws of `next` a value, nothing kept back). */
  normal(): number;
  /** A copy of `items` in random order (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[];
  /** The whole state, JSON-safe: four 32-bit integers. */
  state(): number[];
  /** Continues from a former `state()`. Throws a RangeError if it is not one. */
  restore(state: readonly number[]): void;
}

/** A draw of `random`, uniform in [low, high). */
export const between = (random: Random, low: number, high: number): number =>
  low + (high - low) * random.next();

const isState = (state: readonly number[]): boolean =>
  state.length === 4 && state.every((word) => Number.isInteger(word) && (word | 0) === word);

/**
 * A generator (xoroshiro128+ of pure-rand) whose 128 bits are the SHA-256 of the seed's parts, so that
 * `seededRandom(2022, 'tile', 7)` and `seededRandom(2022, 'tile', 8)` are unrelated streams. The same parts give the
 * same numbers on every machine.
 */
export const seededRandom = (...seed: readonly [number | string, ...(number | string)[]]): Random => {
  const bytes = createHash('sha256').update(JSON.stringify(seed)).digest();
  let generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => bytes.readInt32LE(at)));
  const next = (): number => {
    const high = (generator.next() >>> 0) >>> 5;
    return (high * 0x4000000 + (generator.next() >>> 6)) * 2 ** -53;
  };
  const integer = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffled: (items) => {
      const out = items.slice();
      for (let last = out.length - 1; last > 0; last--) {
        const other = integer(last + 1);
        [out[last], out[other]] = [out[other], out[last]];
      }
      return out;
    },
    state: () => [...generator.getState()],
    restore: (state) => {
      if (!isState(state))
        throw new RangeError(`random state: ${JSON.stringify(state)}; four 32-bit integers`);
      generator = xoroshiro128plusFromState(state);
    },
  };
};

/** Standard normal distribution function (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
export const normalCdf = (z: number): number => {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - tail * Math.exp(-x * x);
  return z < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
};
