import { kernelMemory, loadKernel, memoryPlan } from '../../kernels.js';
import { type UnetSpec, unetLayout } from '../unet-layout.js';
import type { NormKind, UnetKernel } from './unet-kernel.js';
import {
  convNormLayer,
  type Layer,
  matrixGradientSize,
  pad4,
  pointLayer,
  poolLayer,
  type Room,
  type Rows,
  upLayer,
} from './unet-layers.js';

/** A UNet of one shape and batch size in one memory: every activation, gradient and scratch has its place. */
export interface UnetPlan {
  theta: Float32Array;
  gradient: Float32Array;
  running: Float32Array;
  /** Running statistics after a forward pass by batch. */
  moved: Float32Array;
  /** [samples, bands, knots], as the next two. */
  input: Float32Array;
  output: Float32Array;
  outputGradient: Float32Array;
  /** From `input`, `theta` and `running` to `output`. */
  forward(kind: NormKind): void;
  /** From `outputGradient` to `gradient`, after {@link UnetPlan.forward} of the same kind. */
  backward(kind: NormKind): void;
}

/** crossProduct reads up to 4 floats beyond the last row; padded reads of a bias as many beyond theta. */
const slack = 64;
/** Floats of scratch of a cross product whose sides add up to `sides` (kernels/matrix.ts). */
const crossScratch = (sides: number): number => Math.max(65536, 32 * (sides + 8));

/** Lays out the memory and wires the layers. */
export const planUnet = (spec: UnetSpec, samples: number): UnetPlan => {
  const { bands, knots, width, depth } = spec;
  const layout = unetLayout(spec);
  const memory = memoryPlan();
  const floats = (count: number): number => memory.take(count * 4 + slack);

  const theta = floats(layout.parameterCount);
  const gradient = floats(layout.parameterCount);
  const running = floats(layout.runningCount);
  const moved = floats(layout.runningCount);
  const planes = samples * bands * knots;
  const [input, output, outputGradient] = [floats(planes), floats(planes), floats(planes)];

  const channels = (level: number): number => width * 2 ** level;
  const length = (level: number): number => knots >> level;
  const row = (level: number): number => pad4(channels(level)) * 4;
  const plain = (level: number): number => floats((samples * length(level) * row(level)) / 4);
  /** Rows with a zero row before and after each sample, at the first zero row. */
  const padded = (rows: number, rowBytes: number): Rows => {
    const sample = (rows + 2) * rowBytes;
    return { at: floats((samples * sample) / 4), row: rowBytes, sample };
  };
  const inside = (rows: Rows, column = 0): Rows => ({ ...rows, at: rows.at + rows.row + column });
  const unpadded = (at: number, level: number): Rows => ({
    at,
    row: row(level),
    sample: length(level) * row(level),
  });

  // gradients, used by the blocks of a level one after the other
  const levels = Array.from({ length: depth + 1 }, (_, level) => ({
    dy: padded(length(level), row(level)),
    dout: plain(level),
    /** Of the block's output on the way down as the skip, and of what is pooled or brought up beside it. */
    dskip: level < depth ? plain(level) : 0,
    dbelow: level < depth ? plain(level) : 0,
  }));
  const rawSize = samples * knots * pad4(bands);
  const [raw, rawGradient] = [floats(rawSize), floats(rawSize)];

  const offsets = new Map(
    [...layout.parameters, ...layout.running].map(({ name, offset }) => [name, offset * 4]),
  );
  const offset = (name: string): number => offsets.get(`unet.${name}`) ?? 0;
  const wiring: ((room: Room) => Layer)[] = [];
  let largest = pad4(width) * pad4(bands);
  let longest = pad4(width) + pad4(bands);
  const needsMatrix = (m: number, n: number): void => {
    largest = Math.max(largest, matrixGradientSize(m, n), matrixGradientSize(n, m));
    longest = Math.max(longest, pad4(m) + pad4(n));
  };

  const convNorm = (
    name: string,
    index: number,
    level: number,
    x: Rows,
    inputChannels: number,
    out: Rows,
    dout: number,
    dx: readonly number[],
  ): void => {
    const halves = Math.max(1, dx.length);
    needsMatrix(channels(level), 3 * halves * pad4(inputChannels));
    needsMatrix(3 * pad4(channels(level)), inputChannels);
    const place = {
      weight: offset(`${name}.${index}.weight`),
      bias: offset(`${name}.${index}.bias`),
      gamma: offset(`${name}.${index + 1}.weight`),
      beta: offset(`${name}.${index + 1}.bias`),
      running: offset(`${name}.${index + 1}.running_mean`),
      y: plain(level),
      stats: floats(samples * row(level)),
    };
    const shape = { length: length(level), input: inputChannels, halves, output: channels(level) };
    const wires = { x, out, dout, dy: levels[level].dy, dx };
    wiring.push((room) => convNormLayer(room, { ...place, ...shape, ...wires }));
  };
  /** Both convolutions of a block; `dx` are the gradients of the halves of its input. */
  const doubleConv = (
    block: string,
    level: number,
    x: Rows,
    inputChannels: number,
    out: Rows,
    dout: number,
    dx: readonly number[],
  ): void => {
    const name = `${block}.double_conv`;
    const between = padded(length(level), row(level));
    const dbetween = levels[level].dout;
    convNorm(name, 0, level, x, inputChannels, inside(between), dbetween, dx);
    convNorm(name, 3, level, between, channels(level), out, dout, [dbetween]);
  };

  const histogram = padded(knots, pad4(bands) * 4);
  const joined: Rows[] = [];
  let current = 0;
  for (let level = 0; level <= depth; level++) {
    let x = histogram;
    if (level > 0) {
      const above = level - 1;
      x = padded(length(level), row(above));
      const pool = { length: length(above), channels: channels(above), x: inside(joined[above]) };
      const wires = { out: inside(x), dout: levels[above].dbelow, dx: levels[above].dskip };
      wiring.push((room) => poolLayer(room, { ...pool, ...wires }));
    }
    let out: Rows;
    if (level < depth) {
      joined.push(padded(length(level), 2 * row(level)));
      out = inside(joined[level]);
    } else {
      current = plain(level);
      out = unpadded(current, level);
    }
    const block = level === 0 ? 'inc' : `down${level}.maxpool_conv.1`;
    const inputChannels = level === 0 ? bands : channels(level - 1);
    const dx = level === 0 ? [] : [levels[level - 1].dbelow];
    doubleConv(block, level, x, inputChannels, out, levels[level][level < depth ? 'dskip' : 'dout'], dx);
  }
  for (let step = 1; step <= depth; step++) {
    const level = depth - step;
    const { dskip, dbelow, dout } = levels[level];
    needsMatrix(channels(level + 1), 2 * pad4(channels(level)));
    const up = {
      weight: offset(`up${step}.up.weight`),
      bias: offset(`up${step}.up.bias`),
      length: length(level + 1),
      input: channels(level + 1),
      output: channels(level),
      x: current,
      out: inside(joined[level], row(level)),
      dout: dbelow,
      doutSample: length(level) * row(level),
      dx: levels[level + 1].dout,
    };
    wiring.push((room) => upLayer(room, up));
    current = plain(level);
    doubleConv(`up${step}.conv`, level, joined[level], channels(level), unpadded(current, level), dout, [
      dskip,
      dbelow,
    ]);
  }
  const point = {
    weight: offset('outc.conv.weight'),
    bias: offset('outc.conv.bias'),
    length: knots,
    input: width,
    output: bands,
    x: current,
    out: raw,
    dout: rawGradient,
    dx: levels[0].dout,
  };
  wiring.push((room) => pointLayer(room, point));

  const widest = pad4(Math.max(channels(depth), bands));
  const [panels, matrixGradient] = [floats(largest), floats(largest)];
  const scratch = floats(crossScratch(longest));
  const sums = memory.take(64 * widest);
  const paddedBias = floats(widest);

  const instance = kernelMemory(memory.size());
  const kernel = loadKernel<UnetKernel>('unet', instance);
  const view = (at: number, count: number): Float32Array => new Float32Array(instance.buffer, at, count);
  const bias = view(paddedBias, widest);
  const room: Room = {
    kernel,
    samples,
    groups: spec.norm === 'group' ? spec.groups : 1,
    theta,
    gradient,
    running,
    moved,
    panels,
    matrixGradient,
    scratch,
    sums,
    biasOf: (at, count) => {
      if (count % 4 === 0) return at;
      bias.fill(0).set(view(at, count));
      return paddedBias;
    },
  };
  const layers = wiring.map((make) => make(room));
  const rawSample = knots * pad4(bands) * 4;
  return {
    theta: view(theta, layout.parameterCount),
    gradient: view(gradient, layout.parameterCount),
    running: view(running, layout.runningCount),
    moved: view(moved, layout.runningCount),
    input: view(input, planes),
    output: view(output, planes),
    outputGradient: view(outputGradient, planes),
    forward: (kind) => {
      const { at, row: rowBytes, sample } = histogram;
      kernel.planesToRows(samples, bands, knots, input, at + rowBytes, sample);
      for (const layer of layers) layer.forward(kind);
      kernel.rowsToPlanes(samples, bands, knots, raw, rawSample, output);
    },
    backward: (kind) => {
      kernel.planesToRows(samples, bands, knots, outputGradient, rawGradient, rawSample);
      for (let i = layers.length - 1; i >= 0; i--) layers[i].backward(kind);
    },
  };
};
