import { memoryPlan } from '../../kernels.js';
import { type UnetSpec, unetLayout } from '../unet-layout.js';
import { convNormLayer, denseRows, type Layer, pointLayer, poolLayer, upLayer } from './unet-layers.js';
import { bySample, crossScratch, type NormKind, normKind, pad4, type Rows } from './unet-ops.js';
import { opCode, type Phase, programBytes, writeProgram } from './unet-program.js';

/** A UNet of one shape and batch size: every activation, gradient and scratch has its place in the memory. */
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
  /** Address of the program and its number of phases: from `input`, `theta` and `running` to `output`. */
  forward: Record<NormKind, Program>;
  /** From `outputGradient` to `gradient`, after `forward` of the same kind. */
  backward: Record<NormKind, Program>;
  /** Scratch memory of each thread. */
  scratch: readonly number[];
}

export interface Program {
  at: number;
  phases: number;
}

/** Cross products read up to 4 floats beyond the last row; padded reads of a bias as many beyond theta. */
const slack = 64;

/**
 * Lays out a memory from `start` on and wires the layers; `open` writes the programs into that memory, whose first `end`
 * bytes must be there, those from `start` on zero.
 */
export const planUnet = (
  spec: UnetSpec,
  samples: number,
  threads: number,
  start: number,
): { end: number; open: (memory: ArrayBufferLike) => UnetPlan } => {
  const { bands, knots, width, depth } = spec;
  const layout = unetLayout(spec);
  const memory = memoryPlan(start);
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
  const unpadded = (at: number, level: number): Rows => denseRows(at, length(level), channels(level));

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
  const packedRows = (level: number): number => length(level) * pad4(Math.max(channels(level), bands));
  const room = {
    samples,
    groups: spec.norm === 'group' ? spec.groups : 1,
    theta,
    gradient,
    running,
    moved,
    packed: floats(samples * Math.max(...levels.map((_, level) => packedRows(level)))),
    floats,
  };
  const layers: Layer[] = [];

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
    layers.push(convNormLayer(room, { ...place, ...shape, ...wires }));
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
      layers.push(poolLayer(room, { ...pool, ...wires }));
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
    layers.push(upLayer(room, up));
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
  layers.push(pointLayer(room, point));

  const backwards = [...layers].reverse();
  const rawRows = denseRows(raw, knots, bands);
  const planesOp = bySample(opCode.planesToRows, samples, bands, knots);
  const phasesForward = (kind: NormKind): Phase[] => {
    const { at, row: rowBytes, sample } = histogram;
    const read = { ...planesOp, words: [...planesOp.words, input, at + rowBytes, sample] };
    const written = bySample(opCode.rowsToPlanes, samples, bands, knots, raw, rawRows.sample, output);
    return [
      [...backwards.flatMap(({ pack }) => pack), read],
      ...layers.flatMap((layer) => layer.forward(kind)),
      [written],
    ];
  };
  const phasesBackward = (kind: NormKind): Phase[] => {
    const read = { ...planesOp, words: [...planesOp.words, outputGradient, rawGradient, rawRows.sample] };
    return [
      [...layers.flatMap(({ packBack }) => packBack), read],
      ...backwards.flatMap((layer) => layer.backward(kind)),
      layers.flatMap(({ unpack }) => unpack),
    ];
  };
  const kinds: NormKind[] = spec.norm === 'group' ? [normKind.group] : [normKind.batch, normKind.running];
  const programs: { phases: Phase[]; at: number }[] = [];
  const planned = (phases: Phase[]): Program => {
    const kept = phases.filter((ops) => ops.length > 0);
    const at = memory.take(programBytes(kept));
    programs.push({ phases: kept, at });
    return { at, phases: kept.length };
  };
  const byKind = (phasesOf: (kind: NormKind) => Phase[]): Record<NormKind, Program> =>
    Object.fromEntries(kinds.map((kind) => [kind, planned(phasesOf(kind))])) as Record<NormKind, Program>;
  const forward = byKind(phasesForward);
  const backward = byKind(phasesBackward);

  const widest = pad4(Math.max(channels(depth), bands));
  const scratch = Array.from({ length: threads }, () =>
    memory.take(Math.max(crossScratch, 32 * widest) + slack),
  );
  return {
    end: memory.size(),
    open: (buffer) => {
      for (const { phases, at } of programs) writeProgram(phases, buffer, at);
      const view = (at: number, count: number): Float32Array => new Float32Array(buffer, at, count);
      return {
        theta: view(theta, layout.parameterCount),
        gradient: view(gradient, layout.parameterCount),
        running: view(running, layout.runningCount),
        moved: view(moved, layout.runningCount),
        input: view(input, planes),
        output: view(output, planes),
        outputGradient: view(outputGradient, planes),
        forward,
        backward,
        scratch,
      };
    },
  };
};
