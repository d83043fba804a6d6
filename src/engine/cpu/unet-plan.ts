import { memoryPlan } from '../../kernels.js';
import {
  AdamPlan,
  adamStretch,
  argumentsAt,
  crossScratch,
  NormKind,
  numbersAt,
  opBytes,
  phaseBytes,
  StatisticsPlan,
  UnetOp,
  unitsAt,
} from '../abi.js';
import { type UnetSpec, unetLayout } from '../layout.js';
import {
  bySample,
  convNormLayer,
  denseRows,
  type Layer,
  type Op,
  type Phase,
  pad4,
  pointLayer,
  poolLayer,
  type Rows,
  upLayer,
} from './unet-layers.js';

/** Bytes that a program takes. */
const programBytes = (phases: readonly Phase[]): number =>
  phases.reduce((sum, ops) => sum + phaseBytes + ops.length * opBytes, 0);

/** Writes a program to `at`, a multiple of 8; its phases begin there. */
const writeProgram = (phases: readonly Phase[], memory: ArrayBufferLike, at: number): void => {
  const view = new DataView(memory);
  let op = at + phases.length * phaseBytes;
  for (const [index, ops] of phases.entries()) {
    const phase = at + index * phaseBytes;
    view.setUint32(phase, op, true);
    view.setInt32(
      phase + 4,
      ops.reduce((sum, { units }) => sum + units, 0),
      true,
    );
    for (const { code, units, words, numbers = [] } of ops) {
      view.setInt32(op, code, true);
      view.setInt32(op + unitsAt, units, true);
      for (const [i, word] of words.entries()) view.setInt32(op + argumentsAt + 4 * i, word, true);
      for (const [i, number] of numbers.entries()) view.setFloat64(op + numbersAt + 8 * i, number, true);
      op += opBytes;
    }
  }
};

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
  forward: Partial<Record<NormKind, Program>>;
  /** From `outputGradient` to `gradient`, after `forward` of the same kind. */
  backward: Partial<Record<NormKind, Program>>;
  /** Addresses of the steps from statistics; none without {@link Resident}. */
  steps: Partial<Record<NormKind, number>>;
  /** Scratch memory of each thread. */
  scratch: readonly number[];
}

/** Addresses of what a training from statistics keeps in memory, whatever the batch. */
export interface Resident {
  theta: number;
  gradient: number;
  m: number;
  v: number;
  /** 0: no moving average. */
  ema: number;
  running: number;
  moved: number;
  /** UNet inputs, [rows, bands, knots]. */
  inputs: number;
  rates: number;
  step: Pick<
    StatisticsPlan,
    | 'batch'
    | 'diagonal'
    | 'offDiagonal'
    | 'linear'
    | 'constant'
    | 'count'
    | 'identity'
    | 'base'
    | 'factors'
    | 'weighed'
    | 'losses'
  >;
}

/** A program in memory. */
export interface Program {
  at: number;
  phases: number;
}

/** Cross products read up to 4 floats beyond the last row; padded reads of a bias as many beyond theta. */
const slack = 64;

/**
 * Lays out a memory from `start` on and wires the layers; `open` writes the programs into that memory, whose first `end`
 * bytes must be there, those from `start` on zero.
 *
 * @param resident weights and inputs are these instead of the plan's own, and it has steps from statistics
 */
export const planUnet = (
  spec: UnetSpec,
  samples: number,
  threads: number,
  start: number,
  resident: Resident | null = null,
): { end: number; open: (memory: ArrayBufferLike) => UnetPlan } => {
  const { bands, knots, width, depth } = spec;
  const layout = unetLayout(spec);
  const memory = memoryPlan(start);
  const floats = (count: number): number => memory.take(count * 4 + slack);

  const theta = resident?.theta ?? floats(layout.parameterCount);
  const gradient = resident?.gradient ?? floats(layout.parameterCount);
  const running = resident?.running ?? floats(layout.runningCount);
  const moved = resident?.moved ?? floats(layout.runningCount);
  const planes = resident ? 0 : samples * bands * knots;
  const input = resident?.inputs ?? floats(planes);
  const [output, outputGradient] = [floats(planes), floats(planes)];

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
  const arena = {
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
    layers.push(convNormLayer(arena, { ...place, ...shape, ...wires }));
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
      layers.push(poolLayer(arena, { ...pool, ...wires }));
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
    layers.push(upLayer(arena, up));
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
  layers.push(pointLayer(arena, point));

  const backwards = [...layers].reverse();
  const rawRows = denseRows(raw, knots, bands);
  const readPlanes = (planesAt: number, at: number, sample: number, picked: number): Op =>
    bySample(UnetOp.planesToRows, samples, bands, knots, planesAt, at, sample, picked);
  const readInput = readPlanes(
    input,
    histogram.at + histogram.row,
    histogram.sample,
    resident?.step.batch ?? 0,
  );
  const packs = backwards.flatMap(({ pack }) => pack);
  const backPacks = layers.flatMap(({ packBack }) => packBack);
  const through = (kind: NormKind): Phase[] => layers.flatMap((layer) => layer.forward(kind));
  const back = (kind: NormKind): Phase[] => [
    ...backwards.flatMap((layer) => layer.backward(kind)),
    layers.flatMap(({ unpack }) => unpack),
  ];
  const kinds: NormKind[] = spec.norm === 'group' ? [NormKind.group] : [NormKind.batch, NormKind.running];
  const programs: { phases: Phase[]; at: number }[] = [];
  const planned = (phases: Phase[]): Program => {
    const kept = phases.filter((ops) => ops.length > 0);
    const at = memory.take(programBytes(kept));
    programs.push({ phases: kept, at });
    return { at, phases: kept.length };
  };
  const byKind = <T>(of: (kind: NormKind) => T): Partial<Record<NormKind, T>> =>
    Object.fromEntries(kinds.map((kind) => [kind, of(kind)]));

  const written = bySample(UnetOp.rowsToPlanes, samples, bands, knots, raw, rawRows.sample, output);
  const passes = resident
    ? { forward: {}, backward: {} }
    : {
        forward: byKind((kind) => planned([[...packs, readInput], ...through(kind), [written]])),
        backward: byKind((kind) =>
          planned([
            [...backPacks, readPlanes(outputGradient, rawGradient, rawRows.sample, 0)],
            ...back(kind),
          ]),
        ),
      };
  const structures: { at: number; fields: object }[] = [];
  const place = (fields: object): number => {
    const at = memory.take(4 * Object.keys(fields).length);
    structures.push({ at, fields });
    return at;
  };
  const stepOf = ({ step, ...home }: Resident, kind: NormKind): number => {
    const isBatch = kind === NormKind.batch;
    const count = pad4(layout.parameterCount);
    const adam = Object.assign(new AdamPlan(), {
      ...{ count, stretch: adamStretch, theta, gradient, m: home.m, v: home.v, ema: home.ema },
      ...{ rates: home.rates, running, moved, movedBytes: isBatch ? 4 * layout.runningCount : 0 },
    } satisfies AdamPlan);
    const sums = memory.take(24 * samples * bands);
    const fields = Object.assign(new StatisticsPlan(), { ...step, samples, bands, knots, sums });
    Object.assign(fields, { raw, rawGradient } satisfies Partial<StatisticsPlan>);
    const at = place(fields);
    const adamAt = place(adam);
    const error = { code: UnetOp.statisticsError, units: samples * bands, words: [at] };
    const move = { code: UnetOp.adam, units: Math.ceil(count / adamStretch), words: [adamAt] };
    const forward = planned([[...packs, ...backPacks, readInput], ...through(kind), [error]]);
    const backward = planned([...back(kind), [move]]);
    Object.assign(fields, {
      ...{ forward: forward.at, forwardPhases: forward.phases },
      ...{ backward: backward.at, backwardPhases: backward.phases },
    } satisfies Partial<StatisticsPlan>);
    return at;
  };
  const steps = resident ? byKind((kind) => stepOf(resident, kind)) : {};

  const widest = pad4(Math.max(channels(depth), bands));
  // of cross products, norms, and LUTs with their penalties' gradients
  const scratchBytes = Math.max(crossScratch, 32 * widest, 12 * knots);
  const scratch = Array.from({ length: threads }, () => memory.take(scratchBytes + slack));
  return {
    end: memory.size(),
    open: (buffer) => {
      for (const { phases, at } of programs) writeProgram(phases, buffer, at);
      for (const { at, fields } of structures)
        new Int32Array(buffer, at, Object.keys(fields).length).set(Object.values(fields));
      const view = (at: number, count: number): Float32Array => new Float32Array(buffer, at, count);
      return {
        theta: view(theta, layout.parameterCount),
        gradient: view(gradient, layout.parameterCount),
        running: view(running, layout.runningCount),
        moved: view(moved, layout.runningCount),
        input: view(input, planes),
        output: view(output, planes),
        outputGradient: view(outputGradient, planes),
        ...passes,
        steps,
        scratch,
      };
    },
  };
};
