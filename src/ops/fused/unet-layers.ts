import {
  bySample,
  columnSums,
  crossProduct,
  type NormKind,
  normBackward,
  normForward,
  pad4,
  pad8,
  product,
  type Rows,
  whole,
} from './unet-ops.js';
import { type Op, opCode, type Phase } from './unet-program.js';

/** What all layers of one plan share. Addresses in bytes. */
export interface Room {
  samples: number;
  groups: number;
  theta: number;
  gradient: number;
  running: number;
  /** Running statistics moved by the batch. */
  moved: number;
  /** The left side of one cross product, packed. */
  packed: number;
  /** Takes room for floats. */
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
const padBias = (room: Room, at: number, channels: number): { bias: number; pad: Op[] } => {
  if (channels % 4 === 0) return { bias: at, pad: [] };
  const bias = room.floats(pad4(channels));
  return { bias, pad: [whole(opCode.padBias, at, channels, bias)] };
};

/** Room for the gradient of a matrix of `m` by `n` as cross products write it. */
const matrixGradient = (room: Room, m: number, n: number): { matrix: number; matrixRow: number } => ({
  matrix: room.floats(pad4(m) * pad8(n)),
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
  room: Room,
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
  const { samples, theta, gradient } = room;
  const { length, input, halves, output, x, y, out, dy, stats } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const columns = 3 * halves * input4;
  const weight = theta + layer.weight;
  const panels = room.floats(columns * output4);
  const backPanels = layer.dx.map(() => room.floats(3 * output4 * input4));
  const { matrix, matrixRow } = matrixGradient(room, output4, columns);
  const { bias, pad } = padBias(room, theta + layer.bias, output);
  const norm = { samples, rows: length, channels: output, groups: room.groups, y, stats };
  const gamma = theta + layer.gamma;
  return {
    pack: [whole(opCode.packConv, weight, output, input, halves, panels), ...pad],
    packBack: backPanels.map((place, half) =>
      whole(opCode.packConvBack, weight, output, input, halves, half, place),
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
          running: room.running + layer.running,
          moved: room.moved + layer.running,
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
        packed: room.packed,
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
    unpack: [whole(opCode.unpackConv, matrix, matrixRow, output, input, halves, gradient + layer.weight)],
  };
};

/** Max-pool of 2; its gradient is added to the input's. */
export const poolLayer = (
  { samples }: Room,
  layer: { length: number; channels: number; x: Rows; out: Rows; dout: number; dx: number },
): Layer => {
  const { length, x, out, dout, dx } = layer;
  const half = length >> 1;
  const channels4 = pad4(layer.channels);
  const from = [x.at, x.row, x.sample];
  return {
    pack: [],
    packBack: [],
    forward: () => [[bySample(opCode.poolForward, samples, half, channels4, ...from, out.at, out.sample)]],
    backward: () => [[bySample(opCode.poolBackward, samples, half, length, channels4, ...from, dout, dx)]],
    unpack: [],
  };
};

/** Transposed convolution of 2, stride 2, into the second half of the joined rows. */
export const upLayer = (
  room: Room,
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
  const { samples, gradient } = room;
  const { length, input, output, out, dout, doutSample } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const pair = 2 * output4;
  const weight = room.theta + layer.weight;
  const taps = [0, 1].map(() => room.floats(input4 * output4));
  const backPanels = room.floats(pair * input4);
  const { matrix, matrixRow } = matrixGradient(room, input4, pair);
  const { bias, pad } = padBias(room, room.theta + layer.bias, output);
  const x = denseRows(layer.x, length, input);
  /** Both taps' rows side by side. */
  const pairs = { at: dout, row: pair * 4, sample: doutSample };
  return {
    pack: [...taps.map((panels, tap) => whole(opCode.packUp, weight, input, output, tap, panels)), ...pad],
    packBack: [whole(opCode.packUpBack, weight, input, output, backPanels)],
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
        packed: room.packed,
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
    unpack: [whole(opCode.unpackUp, matrix, matrixRow, input, output, gradient + layer.weight)],
  };
};

/** The last, 1×1 convolution. */
export const pointLayer = (
  room: Room,
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
  const { samples, gradient } = room;
  const { length, input, output } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const weight = room.theta + layer.weight;
  const panels = room.floats(input4 * output4);
  const backPanels = room.floats(input4 * output4);
  const { matrix, matrixRow } = matrixGradient(room, output4, input4);
  const { bias, pad } = padBias(room, room.theta + layer.bias, output);
  const x = denseRows(layer.x, length, input);
  const dout = denseRows(layer.dout, length, output);
  return {
    pack: [whole(opCode.packPoint, weight, output, input, 0, panels), ...pad],
    packBack: [whole(opCode.packPoint, weight, output, input, 1, backPanels)],
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
        packed: room.packed,
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
    unpack: [whole(opCode.unpackPoint, matrix, matrixRow, output, input, gradient + layer.weight)],
  };
};
