import { memoryPlan } from '../../kernels.js';
import {
  AdamPlan,
  adamStretch,
  crossScratch,
  filteredRun,
  NormKind,
  StatisticsPlan,
  UnetOp,
} from '../abi.js';
import { type UnetSpec, unetLayout } from '../layout.js';
import { isFiltered, takeFilteredRows } from './filtered-conv.js';
import { type Op, type Phase, programBytes, writeProgram } from './program.js';
import { denseRows, inside, pad4, type Rows } from './rows.js';
import {
  type ByChannels,
  bySample,
  type ConvRows,
  convNormLayer,
  filterOps,
  type Layer,
  pointLayer,
  pool,
  upLayer,
} from './unet-layers.js';

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

/** What is done by channels after a layer's norm, and before it on the way back. */
interface Around {
  afterwards: ByChannels;
  before: ByChannels;
}

const alone: Around = { afterwards: () => [], before: () => [] };

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
  /** Padded rows of `parts` times `each` channels, and room for them filtered where they are. */
  const convRows = (rows: number, each: number, parts: number, output: number): ConvRows => ({
    rows: padded(rows, parts * pad4(each) * 4),
    filtered:
      each % 4 === 0 && isFiltered(rows, parts * each, output)
        ? takeFilteredRows(floats, samples, rows, parts * each)
        : null,
  });
  const unpadded = (at: number, level: number): Rows => denseRows(at, length(level), channels(level));

  // gradients, used by the blocks of a level one after the other
  const levels = Array.from({ length: depth + 1 }, (_, level) => ({
    dy: convRows(length(level), channels(level), 1, 8),
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
    x: ConvRows,
    inputChannels: number,
    out: Rows,
    dout: number,
    dx: readonly number[],
    around: Around,
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
    layers.push(convNormLayer(arena, { ...place, ...shape, ...wires, ...around }));
  };
  /** Both convolutions of a block; `dx` are the gradients of the halves of its input. */
  const doubleConv = (
    block: string,
    level: number,
    x: ConvRows,
    inputChannels: number,
    out: Rows,
    dout: number,
    dx: readonly number[],
    around: Around,
  ): void => {
    const name = `${block}.double_conv`;
    const between = convRows(length(level), channels(level), 1, channels(level));
    const dbetween = levels[level].dout;
    const filterBetween = filterOps(samples, length(level), channels(level), between);
    const inner = { afterwards: filterBetween, before: () => [] };
    convNorm(name, 0, level, x, inputChannels, inside(between.rows), dbetween, dx, inner);
    convNorm(name, 3, level, between, channels(level), out, dout, [dbetween], around);
  };

  const histogram: ConvRows = { rows: padded(knots, pad4(bands) * 4), filtered: null };
  const joined: ConvRows[] = [];
  let current = 0;
  let x = histogram;
  for (let level = 0; level <= depth; level++) {
    const block = level === 0 ? 'inc' : `down${level}.maxpool_conv.1`;
    const inputChannels = level === 0 ? bands : channels(level - 1);
    const dx = level === 0 ? [] : [levels[level - 1].dbelow];
    const here = x;
    if (level === depth) {
      current = plain(level);
      doubleConv(block, level, here, inputChannels, unpadded(current, level), levels[level].dout, dx, alone);
      continue;
    }
    const both = convRows(length(level), channels(level), 2, channels(level));
    joined.push(both);
    const below = convRows(length(level + 1), channels(level), 1, channels(level + 1));
    x = below;
    const { dskip, dbelow } = levels[level];
    const pooling = pool(samples, {
      ...{ length: length(level), channels: channels(level), x: inside(both.rows), out: inside(below.rows) },
      ...{ dout: dbelow, dx: dskip },
    });
    const filterBelow = filterOps(samples, length(level + 1), channels(level), below);
    doubleConv(block, level, here, inputChannels, inside(both.rows), dskip, dx, {
      afterwards: (size) => [...pooling.forward(size), ...filterBelow(size)],
      before: pooling.backward,
    });
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
      out: inside(joined[level].rows, row(level)),
      afterwards: filterOps(samples, length(level), 2 * channels(level), joined[level]),
      dout: dbelow,
      doutSample: length(level) * row(level),
      dx: levels[level + 1].dout,
    };
    layers.push(upLayer(arena, up));
    current = plain(level);
    const dx = [dskip, dbelow];
    const name = `up${step}.conv`;
    doubleConv(name, level, joined[level], channels(level), unpadded(current, level), dout, dx, alone);
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
    histogram.rows.at + histogram.rows.row,
    histogram.rows.sample,
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
    const at = memory.take(programBytes(kept, threads));
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
  // of cross products, those of filtered rows, norms, and LUTs with their penalties' gradients
  const filteredScratch = 128 * (filteredRun + widest);
  const scratchBytes = Math.max(crossScratch, filteredScratch, 32 * widest, 12 * knots);
  const scratch = Array.from({ length: threads }, () => memory.take(scratchBytes + slack));
  return {
    end: memory.size(),
    open: (buffer) => {
      for (const { phases, at } of programs) writeProgram(phases, threads, buffer, at);
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
