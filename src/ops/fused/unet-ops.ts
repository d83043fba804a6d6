import { normEpsilon, normMomentum } from '../unet-signature.js';
import { type Op, opCode } from './unet-program.js';

/** Rows of positions of all samples: address of the first row, distances of rows and of samples, bytes. */
export interface Rows {
  at: number;
  row: number;
  sample: number;
}

/** How a norm gets its statistics, as kernels/norm.ts numbers it. */
export const normKind = { batch: 0, running: 1, group: 2 } as const;
export type NormKind = (typeof normKind)[keyof typeof normKind];

export const pad4 = (count: number): number => (count + 3) & ~3;
export const pad8 = (count: number): number => (count + 7) & ~7;

/** Rows that are summed in one go, and columns packed for it: bytes of a thread's scratch memory (kernels/matrix.ts). */
export const crossScratch = 256 * 32;

/** Whether packing the left side of a cross product pays: long samples of few channels are read where they lie. */
const isPacked = (rows: number, m: number): boolean => m >= 32 || rows < 32;

/** out[row, j] = bias[j] + Σ a[row, i]·b[i, j], b packed in `panels`. */
export const product = (of: {
  samples: number;
  rows: number;
  k: number;
  n: number;
  a: Rows;
  panels: number;
  /** 0: none. */
  bias: number;
  out: Rows;
}): Op => ({
  code: opCode.product,
  units: of.samples * (pad8(of.n) / 8),
  words: [
    ...[of.samples, of.rows, of.k, of.n, of.a.at, of.a.row, of.a.sample],
    ...[of.panels, of.bias, of.out.at, of.out.row, of.out.sample],
  ],
});

/** out[i, j] = Σ left[row, i]·right[row, j]: the phase that packs, where it is needed, and the op after it. */
export const crossProduct = (of: {
  samples: number;
  rows: number;
  m: number;
  n: number;
  left: Rows;
  right: Rows;
  out: number;
  outRow: number;
  /** Room for the left side, packed. */
  packed: number;
}): { pack: Op[]; cross: Op } => {
  const { samples, rows, m, left, right } = of;
  const packed = isPacked(rows, m) ? of.packed : 0;
  return {
    pack:
      packed === 0
        ? []
        : [
            {
              code: opCode.packLeft,
              units: m / 4,
              words: [samples, rows, left.at, left.row, left.sample, packed],
            },
          ],
    cross: {
      code: opCode.cross,
      units: pad8(of.n) / 8,
      words: [
        ...[samples, rows, m, left.at, left.row, left.sample],
        ...[right.at, right.row, right.sample, of.out, of.outRow, packed],
      ],
    },
  };
};

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/**
 * Channels of a unit of a norm: a cache line's where there are that many for two threads, so that threads do not write
 * to one line; whole groups.
 */
const normBlock = (channels: number, groups: number, kind: NormKind): number => {
  const line = Math.max(4, Math.min(16, (channels >> 3) << 2));
  if (kind !== normKind.group) return line;
  const size = channels / groups;
  return Math.min((line * size) / greatestDivisor(line, size), pad4(channels));
};

interface NormShape {
  kind: NormKind;
  samples: number;
  rows: number;
  channels: number;
  groups: number;
}

const normOp = (code: number, shape: NormShape, places: readonly number[], numbers?: number[]): Op => {
  const { kind, samples, rows, channels, groups } = shape;
  const block = normBlock(channels, groups, kind);
  return {
    code,
    units: Math.ceil(channels / block),
    words: [block, kind, samples, rows, channels, groups, ...places],
    numbers,
  };
};

/** out = ReLU(norm(y)). */
export const normForward = (
  of: NormShape & {
    y: number;
    out: Rows;
    gamma: number;
    beta: number;
    running: number;
    moved: number;
    stats: number;
  },
): Op =>
  normOp(
    opCode.normForward,
    of,
    [of.y, of.out.at, of.out.row, of.out.sample, of.gamma, of.beta, of.running, of.moved, of.stats],
    [normEpsilon, normMomentum],
  );

/** Gradient of {@link normForward}; `dy` is the first row within the padding. */
export const normBackward = (
  of: NormShape & {
    y: number;
    dout: number;
    dy: Rows;
    gamma: number;
    stats: number;
    dgamma: number;
    dbeta: number;
    dbias: number;
  },
): Op =>
  normOp(opCode.normBackward, of, [
    ...[of.y, of.dout, of.dy.at, of.dy.sample, of.gamma, of.stats],
    ...[of.dgamma, of.dbeta, of.dbias],
  ]);

/** out[column] = Σ x over all rows. */
export const columnSums = (samples: number, rows: number, channels: number, x: Rows, out: number): Op => ({
  code: opCode.columnSums,
  units: pad4(channels) / 4,
  words: [samples, rows, channels, x.at, x.row, x.sample, out],
});

/** An op that does all at once. */
export const whole = (code: number, ...words: number[]): Op => ({ code, units: 1, words });

/** An op with a unit for each sample. */
export const bySample = (code: number, samples: number, ...words: number[]): Op => ({
  code,
  units: samples,
  words,
});
