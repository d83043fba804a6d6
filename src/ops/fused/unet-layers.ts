import { normEpsilon, normMomentum } from '../unet-signature.js';
import type { NormKind, UnetKernel } from './unet-kernel.js';

/** Rows of positions of all samples: address of the first row, distances of rows and of samples, bytes. */
export interface Rows {
  at: number;
  row: number;
  sample: number;
}

/** What all layers of one plan share. Addresses in bytes. */
export interface Room {
  kernel: UnetKernel;
  samples: number;
  groups: number;
  theta: number;
  gradient: number;
  running: number;
  /** Running statistics moved by the batch. */
  moved: number;
  /** One packed matrix, its gradient, and scratch of the products. */
  panels: number;
  matrixGradient: number;
  scratch: number;
  /** Scratch of the norms and of column sums. */
  sums: number;
  /** Address of the bias at `at`, padded by zeros to a multiple of 4. */
  biasOf(at: number, channels: number): number;
}

export interface Layer {
  forward(kind: NormKind): void;
  backward(kind: NormKind): void;
}

export const pad4 = (count: number): number => (count + 3) & ~3;
const pad8 = (count: number): number => (count + 7) & ~7;

/** Floats of the gradient of a matrix of `m` by `n`, as crossProduct writes it. */
export const matrixGradientSize = (m: number, n: number): number => pad4(m) * pad8(n);

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
  const { kernel, samples, panels } = room;
  const { length, input, halves, output, x, y, out, dy } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const columns = 3 * halves * input4;
  const weight = room.theta + layer.weight;
  const gamma = room.theta + layer.gamma;
  return {
    forward: (kind) => {
      const bias = room.biasOf(room.theta + layer.bias, output);
      kernel.packConv(weight, output, input, halves, panels);
      kernel.product(
        samples,
        length,
        columns,
        output4,
        x.at,
        x.row,
        x.sample,
        panels,
        bias,
        y,
        output4 * 4,
        length * output4 * 4,
      );
      kernel.normForward(
        kind,
        samples,
        length,
        output,
        room.groups,
        y,
        out.at,
        out.row,
        out.sample,
        gamma,
        room.theta + layer.beta,
        room.running + layer.running,
        room.moved + layer.running,
        layer.stats,
        room.sums,
        normEpsilon,
        normMomentum,
      );
    },
    backward: (kind) => {
      const { gradient } = room;
      const dyRows = dy.at + dy.row;
      kernel.normBackward(
        kind,
        samples,
        length,
        output,
        room.groups,
        y,
        layer.dout,
        dyRows,
        dy.sample,
        gamma,
        layer.stats,
        gradient + layer.gamma,
        gradient + layer.beta,
        gradient + layer.bias,
        room.sums,
      );
      const matrixRow = pad8(columns) * 4;
      kernel.crossProduct(
        samples,
        length,
        output4,
        columns,
        dyRows,
        dy.row,
        dy.sample,
        x.at,
        x.row,
        x.sample,
        room.matrixGradient,
        matrixRow,
        room.scratch,
      );
      kernel.unpackConv(room.matrixGradient, matrixRow, output, input, halves, gradient + layer.weight);
      for (const [half, dx] of layer.dx.entries()) {
        kernel.packConvBack(weight, output, input, halves, half, panels);
        kernel.product(
          samples,
          length,
          3 * output4,
          input4,
          dy.at,
          dy.row,
          dy.sample,
          panels,
          0,
          dx,
          input4 * 4,
          length * input4 * 4,
        );
      }
    },
  };
};

/** Max-pool of 2; its gradient is added to the input's. */
export const poolLayer = (
  room: Room,
  layer: { length: number; channels: number; x: Rows; out: Rows; dout: number; dx: number },
): Layer => {
  const { kernel, samples } = room;
  const { length, x, out } = layer;
  const half = length >> 1;
  const channels4 = pad4(layer.channels);
  return {
    forward: () => kernel.poolForward(samples, half, channels4, x.at, x.row, x.sample, out.at, out.sample),
    backward: () =>
      kernel.poolBackward(samples, half, length, channels4, x.at, x.row, x.sample, layer.dout, layer.dx),
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
  const { kernel, samples, panels } = room;
  const { length, input, output, x, out, dout, doutSample } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const xRow = input4 * 4;
  const xSample = length * xRow;
  const weight = room.theta + layer.weight;
  const pair = 2 * output4;
  return {
    forward: () => {
      const bias = room.biasOf(room.theta + layer.bias, output);
      for (let tap = 0; tap < 2; tap++) {
        kernel.packUp(weight, input, output, tap, panels);
        kernel.product(
          samples,
          length,
          input4,
          output4,
          x,
          xRow,
          xSample,
          panels,
          bias,
          out.at + tap * out.row,
          2 * out.row,
          out.sample,
        );
      }
    },
    backward: () => {
      const { gradient } = room;
      kernel.columnSums(
        samples,
        2 * length,
        output,
        dout,
        output4 * 4,
        doutSample,
        gradient + layer.bias,
        room.sums,
      );
      const matrixRow = pad8(pair) * 4;
      kernel.crossProduct(
        samples,
        length,
        input4,
        pair,
        x,
        xRow,
        xSample,
        dout,
        pair * 4,
        doutSample,
        room.matrixGradient,
        matrixRow,
        room.scratch,
      );
      kernel.unpackUp(room.matrixGradient, matrixRow, input, output, gradient + layer.weight);
      kernel.packUpBack(weight, input, output, panels);
      kernel.product(
        samples,
        length,
        pair,
        input4,
        dout,
        pair * 4,
        doutSample,
        panels,
        0,
        layer.dx,
        xRow,
        xSample,
      );
    },
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
  const { kernel, samples, panels } = room;
  const { length, input, output, x, out, dout } = layer;
  const input4 = pad4(input);
  const output4 = pad4(output);
  const xSample = length * input4 * 4;
  const outSample = length * output4 * 4;
  const weight = room.theta + layer.weight;
  return {
    forward: () => {
      const bias = room.biasOf(room.theta + layer.bias, output);
      kernel.packPoint(weight, output, input, 0, panels);
      kernel.product(
        samples,
        length,
        input4,
        output4,
        x,
        input4 * 4,
        xSample,
        panels,
        bias,
        out,
        output4 * 4,
        outSample,
      );
    },
    backward: () => {
      const { gradient } = room;
      kernel.columnSums(
        samples,
        length,
        output,
        dout,
        output4 * 4,
        outSample,
        gradient + layer.bias,
        room.sums,
      );
      const matrixRow = pad8(input4) * 4;
      kernel.crossProduct(
        samples,
        length,
        output4,
        input4,
        dout,
        output4 * 4,
        outSample,
        x,
        input4 * 4,
        xSample,
        room.matrixGradient,
        matrixRow,
        room.scratch,
      );
      kernel.unpackPoint(room.matrixGradient, matrixRow, output, input, gradient + layer.weight);
      kernel.packPoint(weight, output, input, 1, panels);
      kernel.product(
        samples,
        length,
        output4,
        input4,
        dout,
        output4 * 4,
        outSample,
        panels,
        0,
        layer.dx,
        input4 * 4,
        xSample,
      );
    },
  };
};
