import { NormKind, UnetOp } from '../abi.js';
import { normEpsilon, normMomentum } from '../layout.js';

/** A part of a pass through the UNet: `units` of it may be done in any order and by any thread. */
export interface Op {
  code: UnetOp;
  units: number;
  /** Arguments of 4 bytes: counts, and addresses and strides in bytes. */
  words: readonly number[];
  /** Arguments in float64. */
  numbers?: readonly number[];
}

/** Ops that do not depend on each other. */
export type Phase = readonly Op[];

/** Rows of positions of all samples: address of the first row, distances of rows and of samples, bytes. */
export interface Rows {
  at: number;
  row: number;
  sample: number;
}

export const pad4 = (count: number): number => (count + 3) & ~3;
const pad8 = (count: number): number => (count + 7) & ~7;

/** Whether packing the left side of a cross product pays: long samples of few channels are read where they lie. */
const isPacked = (rows: number, m: number): boolean => m >= 32 || rows < 32;

/** out[row, j] = bias[j] + Σ a[row, i]·b[i, j], b packed in `panels`. */
const product = (of: {
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
  code: UnetOp.product,
  units: of.samples * (pad8(of.n) / 8),
  words: [
    ...[of.samples, of.rows, of.k, of.n, of.a.at, of.a.row, of.a.sample],
    ...[of.panels, of.bias, of.out.at, of.out.row, of.out.sample],
  ],
});

/** out[i, j] = Σ left[row, i]·right[row, j]: the phase that packs, where it is needed, and the op after it. */
const crossProduct = (of: {
  samples: number;
  rows: number;
  m: number;
  n: number;
  left: Rows;
  right: Rows;
  out: number;
  outRow: number;
  /** Memory for the left side, packed. */
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
              code: UnetOp.packLeft,
              units: m / 4,
              words: [samples, rows, left.at, left.row, left.sample, packed],
            },
          ],
    cross: {
      code: UnetOp.cross,
      units: pad8(of.n) / 8,
      words: [
        ...[samples, rows, m, left.at, left.row, left.sample],
        ...[right.at, right.row, right.sample, of.out, of.outRow, packed],
      ],
    },
  };
};

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Channels of a unit of a norm: a cache line's, so that threads do not write to one line; whole groups. */
const normBlock = (channels: number, groups: number, kind: NormKind): number => {
  const line = 16;
  if (kind !== NormKind.group) return line;
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

const normOp = (code: UnetOp, shape: NormShape, places: readonly number[], numbers?: number[]): Op => {
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
const normForward = (
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
    UnetOp.normForward,
    of,
    [of.y, of.out.at, of.out.row, of.out.sample, of.gamma, of.beta, of.running, of.moved, of.stats],
    [normEpsilon, normMomentum],
  );

/** Gradient of {@link normForward}; `dy` is the first row within the padding. */
const normBackward = (
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
  normOp(UnetOp.normBackward, of, [
    ...[of.y, of.dout, of.dy.at, of.dy.sample, of.gamma, of.stats],
    ...[of.dgamma, of.dbeta, of.dbias],
  ]);

/** out[column] = Σ x over all rows. */
const columnSums = (samples: number, rows: number, channels: number, x: Rows, out: number): Op => ({
  code: UnetOp.columnSums,
  units: pad4(channels) / 4,
  words: [samples, rows, channels, x.at, x.row, x.sample, out],
});

/** An op that does all at once. */
const whole = (code: UnetOp, ...words: number[]): Op => ({ code, units: 1, words });

/** An op with a unit for each sample. */
export const bySample = (code: UnetOp, samples: number, ...words: number[]): Op => ({
  code,
  units: samples,
  words,
});

/** What all layers of one plan share. Addresses in bytes. */
export interface Arena {
  samples: number;
  groups: number;
  theta: number;
  gradient: number;
  running: number;
  /** Running statistics moved by the batch. */
  moved: number;
  /** The left side of one cross product, packed. */
  packed: number;
  /** Takes memory for floats. */
  floats(count: number): number;
}

/** What a layer does in each part of a pass. */
export interface Layer {
  /** Before the way forward, and before the way back: weights packed. */
  pack: Op[];
  packBack: Op[];
  forward(kind: NormKind): Phase[];
  backward(kind: NormKind): Phase[];
  /** After the way back: gradients laid out as weights. */
  unpack: Op[];
}

/** Rows of `channels` (padded) without gaps. */
export const denseRows = (at: number, length: number, channels: number): Rows => ({
  at,
  row: pad4(channels) * 4,
  sample: length * pad4(channels) * 4,
});

/** The row after the zero row that leads each sample. */
const inside = (rows: Rows): Rows => ({ ...rows, at: rows.at + rows.row });

/** The bias at `at`, padded by zeros to a multiple of 4, and the op that pads it where it is needed. */
const padBias = (arena: Arena, at: number, channels: number): { bias: number; pad: Op[] } => {
  if (channels % 4 === 0) return { bias: at, pad: [] };
  const bias = arena.floats(pad4(channels));
  return { bias, pad: [whole(UnetOp.padBias, at, channels, bias)] };
};

/** Memory for the gradient of a matrix of `m` by `n` as cross products write it. */
const matrixGradient = (arena: Arena, m: number, n: number): { matrix: number; matrixRow: number } => ({
  matrix: arena.floats(pad4(m) * pad8(n)),
  matrixRow: pad8(n) * 4,
});

/** Where a layer's tensors lie in theta and gradient, and its norm's in the running statistics, bytes. */
interface ConvPlace {
  weight: number;
  bias: number;
  gamma: number;
  beta: number;
  running: number;
}

/** Convolution of 3, norm and ReLU. */
export const convNormLayer = (
  arena: Arena,
  layer: ConvPlace & {
    length: number;
    input: number;
    halves: number;
    output: number;
    /** With a zero row before and after each sample; `at` is the first zero row. */
    x: Rows;
    /** Before the norm, without padding. */
    y: number;
    out: Rows;
    stats: number;
    dout: number;
    /** As `x`: with a zero row before and after each sample. */
    dy: Rows;
    /** Gradients of the halves of the input, without padding; empty: not wanted. */
    dx: readonly number[];
  },
): Layer => {
  const { samples, theta, gradient } = arena;
  const { length, input, halves, output, x, y, out, dy, stats } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const columns = 3 * halves * input4;
  const weight = theta + layer.weight;
  const panels = arena.floats(columns * output4);
  const backPanels = layer.dx.map(() => arena.floats(3 * output4 * input4));
  const { matrix, matrixRow } = matrixGradient(arena, output4, columns);
  const { bias, pad } = padBias(arena, theta + layer.bias, output);
  const norm = { samples, rows: length, channels: output, groups: arena.groups, y, stats };
  const gamma = theta + layer.gamma;
  return {
    pack: [whole(UnetOp.packConv, weight, output, input, halves, panels), ...pad],
    packBack: backPanels.map((place, half) =>
      whole(UnetOp.packConvBack, weight, output, input, halves, half, place),
    ),
    forward: (kind) => [
      [
        product({
          samples,
          rows: length,
          k: columns,
          n: output4,
          a: x,
          panels,
          bias,
          out: denseRows(y, length, output),
        }),
      ],
      [
        normForward({
          ...norm,
          kind,
          out,
          gamma,
          beta: theta + layer.beta,
          running: arena.running + layer.running,
          moved: arena.moved + layer.running,
        }),
      ],
    ],
    backward: (kind) => {
      const { pack, cross } = crossProduct({
        samples,
        rows: length,
        m: output4,
        n: columns,
        left: inside(dy),
        right: x,
        out: matrix,
        outRow: matrixRow,
        packed: arena.packed,
      });
      const carried = layer.dx.map((dx, half) =>
        product({
          samples,
          rows: length,
          k: 3 * output4,
          n: input4,
          a: dy,
          panels: backPanels[half],
          bias: 0,
          out: denseRows(dx, length, input),
        }),
      );
      return [
        [
          normBackward({
            ...norm,
            kind,
            dout: layer.dout,
            dy: inside(dy),
            gamma,
            dgamma: gradient + layer.gamma,
            dbeta: gradient + layer.beta,
            dbias: gradient + layer.bias,
          }),
        ],
        pack,
        [cross, ...carried],
      ];
    },
    unpack: [whole(UnetOp.unpackConv, matrix, matrixRow, output, input, halves, gradient + layer.weight)],
  };
};

/** Max-pool of 2; its gradient is added to the input's. */
export const poolLayer = (
  { samples }: Arena,
  layer: { length: number; channels: number; x: Rows; out: Rows; dout: number; dx: number },
): Layer => {
  const { length, x, out, dout, dx } = layer;
  const half = length >> 1;
  const channels4 = pad4(layer.channels);
  const from = [x.at, x.row, x.sample];
  return {
    pack: [],
    packBack: [],
    forward: () => [[bySample(UnetOp.poolForward, samples, half, channels4, ...from, out.at, out.sample)]],
    backward: () => [[bySample(UnetOp.poolBackward, samples, half, length, channels4, ...from, dout, dx)]],
    unpack: [],
  };
};

/** Transposed convolution of 2, stride 2, into the second half of the joined rows. */
export const upLayer = (
  arena: Arena,
  layer: {
    weight: number;
    bias: number;
    /** Of the input. */
    length: number;
    input: number;
    output: number;
    x: number;
    out: Rows;
    /** Gradient of the joined rows' second half, `doutSample` bytes a sample. */
    dout: number;
    doutSample: number;
    dx: number;
  },
): Layer => {
  const { samples, gradient } = arena;
  const { length, input, output, out, dout, doutSample } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const pair = 2 * output4;
  const weight = arena.theta + layer.weight;
  const taps = [0, 1].map(() => arena.floats(input4 * output4));
  const backPanels = arena.floats(pair * input4);
  const { matrix, matrixRow } = matrixGradient(arena, input4, pair);
  const { bias, pad } = padBias(arena, arena.theta + layer.bias, output);
  const x = denseRows(layer.x, length, input);
  /** Both taps' rows side by side. */
  const pairs = { at: dout, row: pair * 4, sample: doutSample };
  return {
    pack: [...taps.map((panels, tap) => whole(UnetOp.packUp, weight, input, output, tap, panels)), ...pad],
    packBack: [whole(UnetOp.packUpBack, weight, input, output, backPanels)],
    forward: () => [
      taps.map((panels, tap) =>
        product({
          samples,
          rows: length,
          k: input4,
          n: output4,
          a: x,
          panels,
          bias,
          out: { at: out.at + tap * out.row, row: 2 * out.row, sample: out.sample },
        }),
      ),
    ],
    backward: () => {
      const { pack, cross } = crossProduct({
        samples,
        rows: length,
        m: input4,
        n: pair,
        left: x,
        right: pairs,
        out: matrix,
        outRow: matrixRow,
        packed: arena.packed,
      });
      const dbias = columnSums(
        samples,
        2 * length,
        output,
        { at: dout, row: output4 * 4, sample: doutSample },
        gradient + layer.bias,
      );
      const carried = product({
        samples,
        rows: length,
        k: pair,
        n: input4,
        a: pairs,
        panels: backPanels,
        bias: 0,
        out: denseRows(layer.dx, length, input),
      });
      return [pack, [cross, carried, dbias]];
    },
    unpack: [whole(UnetOp.unpackUp, matrix, matrixRow, input, output, gradient + layer.weight)],
  };
};

/** The last, 1×1 convolution. */
export const pointLayer = (
  arena: Arena,
  layer: {
    weight: number;
    bias: number;
    length: number;
    input: number;
    output: number;
    x: number;
    out: number;
    dout: number;
    dx: number;
  },
): Layer => {
  const { samples, gradient } = arena;
  const { length, input, output } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const weight = arena.theta + layer.weight;
  const panels = arena.floats(input4 * output4);
  const backPanels = arena.floats(input4 * output4);
  const { matrix, matrixRow } = matrixGradient(arena, output4, input4);
  const { bias, pad } = padBias(arena, arena.theta + layer.bias, output);
  const x = denseRows(layer.x, length, input);
  const dout = denseRows(layer.dout, length, output);
  return {
    pack: [whole(UnetOp.packPoint, weight, output, input, 0, panels), ...pad],
    packBack: [whole(UnetOp.packPoint, weight, output, input, 1, backPanels)],
    forward: () => [
      [
        product({
          samples,
          rows: length,
          k: input4,
          n: output4,
          a: x,
          panels,
          bias,
          out: denseRows(layer.out, length, output),
        }),
      ],
    ],
    backward: () => {
      const { pack, cross } = crossProduct({
        samples,
        rows: length,
        m: output4,
        n: input4,
        left: dout,
        right: x,
        out: matrix,
        outRow: matrixRow,
        packed: arena.packed,
      });
      const carried = product({
        samples,
        rows: length,
        k: output4,
        n: input4,
        a: dout,
        panels: backPanels,
        bias: 0,
        out: denseRows(layer.dx, length, input),
      });
      return [pack, [cross, carried, columnSums(samples, length, output, dout, gradient + layer.bias)]];
    },
    unpack: [whole(UnetOp.unpackPoint, matrix, matrixRow, output, input, gradient + layer.weight)],
  };
};
