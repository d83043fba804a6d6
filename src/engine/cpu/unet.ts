import { Fault } from '../../fault.js';
import { loadKernel, memoryPlan } from '../../kernels.js';
import {
  argumentsAt,
  controlAt,
  crossScratch,
  NormKind,
  numbersAt,
  opBytes,
  phaseBytes,
  scratchAt,
  UnetOp,
  unitsAt,
} from '../abi.js';
import { type Layout, type UnetSpec, unetLayout } from '../layout.js';
import { firstFree, reserve, sharedMemory } from './memory.js';
import { limitThreads, startThreads, threadCount } from './threads.js';
import {
  bySample,
  convNormLayer,
  denseRows,
  type Layer,
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
interface UnetPlan {
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
  /** Scratch memory of each thread. */
  scratch: readonly number[];
}

interface Program {
  at: number;
  phases: number;
}

/** Cross products read up to 4 floats beyond the last row; padded reads of a bias as many beyond theta. */
const slack = 64;

/**
 * Lays out a memory from `start` on and wires the layers; `open` writes the programs into that memory, whose first `end`
 * bytes must be there, those from `start` on zero.
 */
const planUnet = (
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
  const planesOp = bySample(UnetOp.planesToRows, samples, bands, knots);
  const phasesForward = (kind: NormKind): Phase[] => {
    const { at, row: rowBytes, sample } = histogram;
    const read = { ...planesOp, words: [...planesOp.words, input, at + rowBytes, sample] };
    const written = bySample(UnetOp.rowsToPlanes, samples, bands, knots, raw, rawRows.sample, output);
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
  const kinds: NormKind[] = spec.norm === 'group' ? [NormKind.group] : [NormKind.batch, NormKind.running];
  const programs: { phases: Phase[]; at: number }[] = [];
  const planned = (phases: Phase[]): Program => {
    const kept = phases.filter((ops) => ops.length > 0);
    const at = memory.take(programBytes(kept));
    programs.push({ phases: kept, at });
    return { at, phases: kept.length };
  };
  const byKind = (phasesOf: (kind: NormKind) => Phase[]): Partial<Record<NormKind, Program>> =>
    Object.fromEntries(kinds.map((kind) => [kind, planned(phasesOf(kind))]));
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

/** kernels/unet.entry.ts */
interface UnetKernel {
  runProgram(control: number, phases: number, count: number): number;
}

/** A plan and the number of the last forward pass through it, whose activations it holds. */
interface Planned {
  plan: UnetPlan;
  pass: number;
}

/** The one memory in which all UNets of the process are computed. */
interface Arena {
  memory: WebAssembly.Memory;
  kernel: UnetKernel;
  threads: number;
  /** End of the last plan. */
  end: number;
  plans: Map<string, Planned>;
}

/** Plans kept: training, its last short batch, evaluation, its last chunk. */
const plansKept = 4;

let arena: Arena | null = null;

const openArena = (): Arena => {
  const memory = sharedMemory();
  const kernel = loadKernel<UnetKernel>('unet', memory);
  return { memory, kernel, threads: 1, end: firstFree, plans: new Map() };
};

/** One more plan, behind those that are there; in their place when they are too many. */
const addPlan = (within: Arena, key: string, spec: UnetSpec, samples: number): Planned => {
  if (within.plans.size === plansKept) {
    within.plans.clear();
    within.end = firstFree;
  }
  const { end, open } = planUnet(spec, samples, within.threads, within.end);
  try {
    reserve(within.memory, end, `kernel memory: ${(end / 2 ** 30).toFixed(1)} GiB; a smaller batch or model`);
  } catch (error) {
    if (within.plans.size === 0) throw error;
    within.plans.clear();
    within.end = firstFree;
    return addPlan(within, key, spec, samples);
  }
  const { buffer } = within.memory;
  // what another plan left behind: padding must be zero
  new Uint8Array(buffer, within.end, end - within.end).fill(0);
  const planned: Planned = { plan: open(buffer), pass: 0 };
  within.end = end;
  within.plans.set(key, planned);
  return planned;
};

/**
 * The plan of a UNet of this shape and batch size. Plans are dropped when there is no memory for all: activations that a
 * pass left in one are then gone.
 *
 * @throws Fault where it does not fit into 4 GiB, or what this host grants
 */
const planFor = (spec: UnetSpec, samples: number): Planned => {
  arena ??= openArena();
  const wanted = threadCount();
  if (wanted > arena.threads) {
    startThreads('unet', arena.memory, arena.threads, wanted);
    arena.threads = wanted;
    // each thread has its scratch memory in the plan
    arena.plans.clear();
    arena.end = firstFree;
  }
  limitThreads(arena.memory, wanted);
  const { bands, knots, width, depth, norm, groups } = spec;
  const key = [samples, bands, knots, width, depth, norm, norm === 'group' ? groups : 0].join();
  return arena.plans.get(key) ?? addPlan(arena, key, spec, samples);
};

/** Runs a plan forward or back. */
const runProgram = ({ plan }: Planned, direction: 'forward' | 'backward', kind: NormKind): void => {
  const { memory, kernel } = arena!;
  new Uint32Array(memory.buffer, controlAt + scratchAt, plan.scratch.length).set(plan.scratch);
  const { at, phases } = plan[direction][kind]!;
  if (kernel.runProgram(controlAt, at, phases) !== 0) throw new Error('kernel unet: a thread failed');
};

/** Samples that go through at once where they do not depend on each other: bounds the memory of large batches. */
const chunk = 32;

export interface UnetInputs {
  spec: UnetSpec;
  /** `unetLayout(spec)` */
  layout: Layout;
  /** All parameters in the order of the layout, [parameterCount]. */
  theta: Float32Array;
  /** Running mean and variance of each batch norm, [runningCount]; none with group norm. */
  running: Float32Array;
  /** Histograms, [samples, bands, knots]. */
  input: Float32Array;
  samples: number;
  /** Batch norm by the statistics of this batch (training) or by `running`. Group norm has no such choice. */
  norm: 'batch' | 'running';
}

/** What a forward pass leaves. Its inputs must stay as they are until {@link UnetPass.backward} was called. */
export interface UnetPass {
  /**
   * Writes the gradient by all parameters, [parameterCount]; histograms and running statistics have none.
   *
   * @param dOut gradient by the output, [samples, bands, knots]
   */
  backward: (dOut: Float32Array, gradient: Float32Array) => void;
}

const check = ({ spec, layout, theta, running, input, samples, norm }: UnetInputs): void => {
  if (input.length !== samples * spec.bands * spec.knots)
    throw new Error(`unet: input has ${input.length} values, not ${samples} × ${spec.bands} × ${spec.knots}`);
  if (theta.length !== layout.parameterCount)
    throw new Error(`unet: theta has ${theta.length} values, not ${layout.parameterCount}`);
  if (running.length !== layout.runningCount)
    throw new Error(`unet: running has ${running.length} values, not ${layout.runningCount}`);
  if (spec.norm === 'batch' && norm === 'batch' && samples * (spec.knots >> spec.depth) < 2)
    throw new Fault(
      `unet depth: ${spec.depth}; batch norm cannot train on one value per channel: fewer levels, more knots or a larger batch`,
    );
};

/**
 * The published 1-D UNet: per level a convolution of 3, norm and ReLU, twice; max-pool of 2 down; transposed convolution
 * of 2 up, zero-padded to the skip's length, behind the skip; a 1×1 convolution. Any number of bands, width, depth and
 * knots. In WebAssembly SIMD, on all threads (kernels/unet.entry.ts); the bits do not depend on their number.
 *
 * @param out the output before any ReLU or scale is written here, [samples, bands, knots]
 * @param moved the running statistics moved towards this batch's mean and unbiased variance with `norm: 'batch'`, else as
 *   they were, are written here, [runningCount]
 * @throws Fault where batch norm has one value per channel, or where the memory does not suffice
 */
export const unetForward = (inputs: UnetInputs, out: Float32Array, moved: Float32Array): UnetPass => {
  check(inputs);
  const { spec, theta, running, input, samples, norm } = inputs;
  const kind = spec.norm === 'group' ? NormKind.group : NormKind[norm];
  const size = spec.bands * spec.knots;
  const each = kind === NormKind.batch ? samples : chunk;
  const forward = (planned: Planned, from: number, to: number): void => {
    const { plan } = planned;
    planned.pass++;
    plan.theta.set(theta);
    plan.running.set(running);
    plan.input.set(input.subarray(from * size, to * size));
    runProgram(planned, 'forward', kind);
  };

  moved.set(running);
  const passes: { planned: Planned; pass: number; from: number; to: number }[] = [];
  for (let from = 0; from < samples; from += each) {
    const to = Math.min(samples, from + each);
    const planned = planFor(spec, to - from);
    forward(planned, from, to);
    out.set(planned.plan.output, from * size);
    if (kind === NormKind.batch) moved.set(planned.plan.moved);
    passes.push({ planned, pass: planned.pass, from, to });
  }

  const backward = (dOut: Float32Array, gradient: Float32Array): void => {
    for (const { planned: before, pass, from, to } of passes) {
      const planned = planFor(spec, to - from);
      // another pass has gone through since, or the plan was dropped
      if (planned !== before || planned.pass !== pass) forward(planned, from, to);
      const { plan } = planned;
      plan.outputGradient.set(dOut.subarray(from * size, to * size));
      runProgram(planned, 'backward', kind);
      if (from === 0) gradient.set(plan.gradient);
      else for (let i = 0; i < gradient.length; i++) gradient[i] += plan.gradient[i];
    }
  };
  return { backward };
};
