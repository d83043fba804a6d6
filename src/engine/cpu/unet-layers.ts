import { NormKind, UnetOp } from '../abi.js';
import { normEpsilon, normMomentum } from '../layout.js';
import {
  type FilteredRows,
  filteredCross,
  filteredProduct,
  filterRows,
  filterWeights,
  filterWeightsBack,
  isFiltered,
} from './filtered-conv.js';
import { chain, type Op, type Phase } from './program.js';
import { denseRows, inside, pad4, type Rows } from './rows.js';

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

/** Channels of a cache line: threads do not write to one line. */
const lineChannels = 16;

/** Channels of a unit of a norm: whole cache lines, whole groups. */
const normBlock = (channels: number, groups: number, kind: NormKind): number => {
  if (kind !== NormKind.group) return lineChannels;
  const size = channels / groups;
  return Math.min((lineChannels * size) / greatestDivisor(lineChannels, size), pad4(channels));
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

/** Rows with a zero row before and after each sample, and the same filtered where a convolution takes them so. */
export interface ConvRows {
  /** The first zero row. */
  rows: Rows;
  filtered: FilteredRows | null;
}

/** Ops on the channels of a norm, `block` of them a unit. */
export type ByChannels = (block: number) => Op[];

/** The ops that filter rows that a convolution takes filtered. */
export const filterOps =
  (samples: number, length: number, channels: number, { rows, filtered }: ConvRows): ByChannels =>
  (block) =>
    filtered === null ? [] : [filterRows({ block, samples, length, channels, x: rows, to: filtered })];

/** Convolution of 3, norm and ReLU. */
export const convNormLayer = (
  arena: Arena,
  layer: ConvPlace & {
    length: number;
    input: number;
    halves: number;
    output: number;
    x: ConvRows;
    /** Before the norm, without padding. */
    y: number;
    out: Rows;
    stats: number;
    dout: number;
    dy: ConvRows;
    /** Gradients of the halves of the input, without padding; empty: not wanted. */
    dx: readonly number[];
    /** What is done to `out` by channels, and before that to `dout` on the way back. */
    afterwards: ByChannels;
    before: ByChannels;
  },
): Layer => {
  const { samples, theta, gradient } = arena;
  const { length, input, halves, output, out, stats, y } = layer;
  const { rows: x, filtered } = layer.x;
  const { rows: dy, filtered: dyFiltered } = layer.dy;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const all = halves * input;
  const columns = 3 * halves * input4;
  const weight = theta + layer.weight;
  const dweight = gradient + layer.weight;
  const carriesFiltered = dyFiltered !== null && isFiltered(length, output, input);
  const panels = arena.floats(filtered ? 4 * all * output : columns * output4);
  const backPanels = layer.dx.map(() => arena.floats((carriesFiltered ? 4 : 3) * output4 * input4));
  const { bias, pad } = padBias(arena, theta + layer.bias, output);
  const norm = { samples, rows: length, channels: output, groups: arena.groups, y, stats };
  const gamma = theta + layer.gamma;
  const to = denseRows(y, length, output);

  const forward = filtered
    ? filteredProduct({ samples, length, k: all, n: output, x: filtered, panels, bias, out: to })
    : product({ samples, rows: length, k: columns, n: output4, a: x, panels, bias, out: to });
  const carried = layer.dx.map((at, half) => {
    const dx = { panels: backPanels[half], bias: 0, out: denseRows(at, length, input) };
    return carriesFiltered
      ? filteredProduct({ samples, length, k: output, n: input, x: dyFiltered, ...dx })
      : product({ samples, rows: length, k: 3 * output4, n: input4, a: dy, ...dx });
  });
  const plainCross = (): ReturnType<typeof crossProduct> & { unpack: Op[] } => {
    const { matrix, matrixRow } = matrixGradient(arena, output4, columns);
    const sides = { left: inside(dy), right: x, packed: arena.packed };
    return {
      ...crossProduct({
        ...{ samples, rows: length, m: output4, n: columns },
        ...{ ...sides, out: matrix, outRow: matrixRow },
      }),
      unpack: [whole(UnetOp.unpackConv, matrix, matrixRow, output, input, halves, dweight)],
    };
  };
  const { pack, cross, unpack } = filtered
    ? {
        pack: [],
        cross: filteredCross({ samples, length, input: all, output, x: filtered, dy: inside(dy), dweight }),
        unpack: [],
      }
    : plainCross();
  const forwardPlaces = {
    ...{ out, gamma, beta: theta + layer.beta },
    ...{ running: arena.running + layer.running, moved: arena.moved + layer.running },
  };
  const backwardPlaces = {
    ...{ dout: layer.dout, dy: inside(dy), gamma },
    ...{ dgamma: gradient + layer.gamma, dbeta: gradient + layer.beta, dbias: gradient + layer.bias },
  };
  const filterDy = filterOps(samples, length, output, {
    rows: dy,
    filtered: carriesFiltered && layer.dx.length > 0 ? dyFiltered : null,
  });
  return {
    pack: [
      filtered
        ? filterWeights(weight, output, all, panels)
        : whole(UnetOp.packConv, weight, output, input, halves, panels),
      ...pad,
    ],
    packBack: backPanels.map((place, half) =>
      carriesFiltered
        ? filterWeightsBack(weight, output, all, half * input, input, place)
        : whole(UnetOp.packConvBack, weight, output, input, halves, half, place),
    ),
    forward: (kind) => {
      const block = normBlock(output, arena.groups, kind);
      return [
        [forward],
        [chain([normForward({ ...norm, ...forwardPlaces, kind }), ...layer.afterwards(block)])],
      ];
    },
    backward: (kind) => {
      const block = normBlock(output, arena.groups, kind);
      const norming = normBackward({ ...norm, ...backwardPlaces, kind });
      return [[chain([...layer.before(block), norming, ...filterDy(block)])], pack, [cross, ...carried]];
    },
    unpack,
  };
};

/** Max-pool of 2 and, on the way back, its gradient added to the input's. */
export const pool = (
  samples: number,
  of: { length: number; channels: number; x: Rows; out: Rows; dout: number; dx: number },
): { forward: ByChannels; backward: ByChannels } => {
  const { length, channels, x, out, dout, dx } = of;
  const half = length >> 1;
  const op = (code: UnetOp, block: number, ...words: number[]): Op => ({
    code,
    units: Math.ceil(channels / block),
    words: [block, samples, ...words],
  });
  const from = [x.at, x.row, x.sample];
  return {
    forward: (block) => [op(UnetOp.poolForward, block, half, pad4(channels), ...from, out.at, out.sample)],
    backward: (block) => [op(UnetOp.poolBackward, block, half, length, pad4(channels), ...from, dout, dx)],
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
    /** What is done to `out` afterwards, by channels. */
    afterwards: ByChannels;
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
      layer.afterwards(lineChannels),
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
