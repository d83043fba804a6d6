import type { PatchPixels } from '../../dataset/patch.js';
import { Fault } from '../../fault.js';
import { loadKernel, memoryPlan } from '../../kernels.js';
import {
  controlAt,
  errorSumsAt,
  maxUnits,
  PixelPass,
  PixelPlan,
  pairedTaps,
  scratchAt,
  weightSumsAt,
} from '../abi.js';
import { moveRunning, normEpsilon } from '../layout.js';
import { expandBand, knotPositions } from '../lut.js';
import type { PixelError, PixelErrorInputs } from '../pixel-error.js';
import { arrangeWeights } from './conv-weights.js';
import { firstFree, reserve, sharedMemory } from './memory.js';
import { limitThreads, startThreads, threadCount } from './threads.js';

/** kernels/pixel-error.entry.ts */
interface PixelKernel {
  runPass(control: number, pass: PixelPass, plan: number, units: number): number;
  foldTables(plan: number, sample: number): void;
  scratchBytes(plan: number): number;
}

/** What fixes the memory of the pixels. */
interface PixelShape {
  /** At most. */
  samples: number;
  width: number;
  height: number;
  knots: number;
  bandMax: readonly number[];
}

/** Where everything lies, and what only the host needs to know of it. */
interface Layout {
  plan: PixelPlan;
  /** Address of the plan in memory. */
  address: number;
  samples: number;
  /** Of each sample's pixels; `sourceBytes` of source, the same of target, then the mask. */
  pixels: number;
  sourceBytes: number;
  pixelBytes: number;
  /** Of each thread. */
  scratch: number;
  scratchBytes: number;
  /** Bytes in all. */
  bytes: number;
}

/**
 * Rows of a strip, the unit of work and of summing: fixed, so that results do not depend on the threads. Small
 * enough to share four patches out evenly, large enough that the two rows computed twice cost little.
 */
const stripRows = 128;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Lays the memory out for batches of up to `samples`, from `start` on; abi.ts says what each stretch holds. */
const layOut = (
  { samples, width, height, knots, bandMax }: PixelShape,
  start: number,
  threads: number,
  memory: WebAssembly.Memory,
  kernel: PixelKernel,
): Layout => {
  const bands = bandMax.length;
  const channels = roundUp(bands, 4);
  const rowBytes = roundUp(width, 8) * 4;
  const stride = rowBytes + 32;
  const strips = Math.ceil(height / stripRows);
  const units = samples * strips;
  if (units > maxUnits)
    throw new Fault(`batch: ${samples} patches of ${width} × ${height} pixels; lower train.batchSize`);
  const yPlane = (height + 2) * stride;
  const zPlane = height * rowBytes;
  const tableBytes = roundUp(4 * bandMax.reduce((sum, max) => sum + max, 0), 64);
  const sumBytes = roundUp(8 * (weightSumsAt(bands) + pairedTaps(bands) * channels), 64);
  // vectors reach past the last row, never further than one of them
  const slack = 64;
  const sourceBytes = roundUp(2 * bands * width * height + slack, 64);
  const pixelBytes = 2 * sourceBytes + roundUp(width * height + slack, 64);

  const plan = new PixelPlan();
  const { take, size } = memoryPlan(start);
  const address = take(4 * Object.keys(plan).length);
  Object.assign(plan, { width, height, bands, channels, rowBytes, stride, stripRows, strips, knots });
  Object.assign(plan, { yPlane, zPlane, tableBytes, sumBytes } satisfies Partial<PixelPlan>);
  new Uint32Array(memory.buffer).set(Object.values(plan), address / 4);
  const scratchBytes = roundUp(kernel.scratchBytes(address), 64);

  const perChannel = (): number => take(4 * channels);
  Object.assign(plan, {
    sources: take(4 * samples),
    targets: take(4 * samples),
    masks: take(4 * samples),
    bandOffsets: take(4 * bands),
    lasts: take(4 * bands),
    forward: take(16 * channels * bands * 9),
    backward: take(16 * channels * bands * 9),
    mean: perChannel(),
    scale: perChannel(),
    beta: perChannel(),
    level: perChannel(),
    slope: perChannel(),
    columns: take(rowBytes),
    tables: take(samples * tableBytes),
    gradients: take(units * tableBytes),
    lower: take(tableBytes),
    upper: take(tableBytes),
    knotSums: take(8 * samples * bands * knots),
    sums: take(units * sumBytes),
  } satisfies Partial<PixelPlan>);
  const scratch = take(threads * scratchBytes);
  const pixels = take(samples * pixelBytes);
  plan.y = take(samples * bands * yPlane);
  plan.z = take(samples * channels * zPlane);
  return { plan, address, samples, pixels, sourceBytes, pixelBytes, scratch, scratchBytes, bytes: size() };
};

/** Writes what does not change into memory and clears what must be zero. */
const writeConstants = (layout: Layout, bandMax: readonly number[], buffer: ArrayBuffer): void => {
  const { plan, address } = layout;
  new Uint8Array(buffer, address, layout.bytes - address).fill(0);
  const words = new Uint32Array(buffer);
  const floats = new Float32Array(buffer);
  words.set(Object.values(plan), address / 4);
  let offset = 0;
  bandMax.forEach((max, band) => {
    words[plan.bandOffsets / 4 + band] = offset;
    words[plan.lasts / 4 + band] = max - 1;
    const { knot, weight } = knotPositions(plan.knots, max);
    words.set(knot, (plan.lower + offset) / 4);
    floats.set(weight, (plan.upper + offset) / 4);
    offset += 4 * max;
  });
  words.fill(0xffffffff, plan.columns / 4, plan.columns / 4 + plan.width);
};

interface Arena {
  memory: WebAssembly.Memory;
  kernel: PixelKernel;
  threads: number;
  /** What the layout is for, the number of samples aside. */
  key: string;
  layout: Layout | null;
  /** Behind the room for pixels: where the next layout begins. */
  base: number;
}

let arena: Arena | null = null;

const openArena = (): Arena => {
  const memory = sharedMemory();
  const kernel = loadKernel<PixelKernel>('pixel-error', memory);
  return { memory, kernel, threads: 1, key: '', layout: null, base: firstFree };
};

/** Buffers of the memory: each time that it grows it gets another one, over the same bytes. */
const ownBuffers = new WeakSet<ArrayBufferLike>();

/** Room for patches in the memory of the kernels, which read them where they lie. */
export interface PixelRoom {
  /** Memory for a patch's bytes; on the heap where the host grants no more. */
  allocate: (bytes: number) => Uint8Array;
  /** All that was allocated is free again. */
  restart: () => void;
  /** Gives the room back. */
  release: () => void;
}

let isRoomTaken = false;

/** Opens room for patches; null where it is taken: then patches are copied to the kernels. */
export const openPixelRoom = (): PixelRoom | null => {
  if (isRoomTaken) return null;
  isRoomTaken = true;
  arena ??= openArena();
  const within = arena;
  const made: Uint8Array[] = [];
  const free: Uint8Array[] = [];
  return {
    allocate: (bytes) => {
      const found = free.findIndex(({ length }) => length === bytes);
      if (found >= 0) return free.splice(found, 1)[0];
      // vectors reach past the last pixel
      const at = roundUp(Math.max(within.base, within.layout?.bytes ?? 0), 64);
      const end = at + bytes + 64;
      try {
        reserve(within.memory, end, '');
      } catch {
        return new Uint8Array(bytes);
      }
      const { buffer } = within.memory;
      ownBuffers.add(buffer);
      within.base = end;
      const patch = new Uint8Array(buffer, at, bytes);
      made.push(patch);
      return patch;
    },
    restart: () => void free.splice(0, free.length, ...made),
    release: () => {
      isRoomTaken = false;
      Object.assign(within, { base: firstFree, layout: null, key: '' });
    },
  };
};

/** The one memory of the process, laid out for this batch; anew only when the patches change their size. */
const arenaFor = (
  patches: readonly PatchPixels[],
  knots: number,
  bandMax: readonly number[],
): Arena & { layout: Layout } => {
  arena ??= openArena();
  const { width, height } = patches[0];
  const key = `${width}×${height}×${knots}×${bandMax.join()}`;
  const wanted = threadCount();
  const before = arena.key === key ? arena.layout : null;
  if (!before || before.samples < patches.length || wanted > arena.threads) {
    const { memory, kernel } = arena;
    const threads = Math.max(wanted, arena.threads);
    const samples = Math.max(patches.length, before?.samples ?? 0);
    // the plan may be in the way of the one before
    arena.layout = null;
    const shape = { samples, width, height, knots, bandMax };
    const layout = layOut(shape, arena.base, threads, memory, kernel);
    reserve(
      memory,
      layout.bytes + 1024,
      `batch: ${Math.ceil(layout.bytes / 2 ** 20)} MiB of pixels; lower train.batchSize or cut smaller patches`,
    );
    writeConstants(layout, bandMax, memory.buffer);
    const scratches = new Uint32Array(memory.buffer, controlAt + scratchAt, threads);
    for (let thread = 0; thread < threads; thread++)
      scratches[thread] = layout.scratch + thread * layout.scratchBytes;
    startThreads('pixel-error', memory, arena.threads, wanted);
    Object.assign(arena, { key, layout, threads });
  }
  limitThreads(arena.memory, wanted);
  return arena as Arena & { layout: Layout };
};

/** Mean and biased variance of z from the units' moments (Chan et al. 1983), in float64. */
const combineMoments = (
  sums: Float64Array,
  { bands, sumBytes, width, height, strips }: PixelPlan,
  units: number,
) => {
  const mean = new Float64Array(bands);
  const variance = new Float64Array(bands);
  let n = 0;
  for (let unit = 0; unit < units; unit++) {
    const at = (unit * sumBytes) / 8;
    const rows = Math.min(stripRows, height - (unit % strips) * stripRows);
    const count = rows * width;
    for (let band = 0; band < bands; band++) {
      const shift = sums[at + bands + band] / count;
      // the kernel subtracts the reference in float32
      const own = Math.fround(sums[at + band]) + shift;
      const squares = sums[at + 2 * bands + band] - count * shift * shift;
      const delta = own - mean[band];
      mean[band] += (delta * count) / (n + count);
      variance[band] += squares + (delta * delta * n * count) / (n + count);
    }
    n += count;
  }
  return { mean, variance: variance.map((squares) => Math.max(squares, 0) / n) };
};

/** Brings a patch to its place in memory, or tells the kernels where it lies there already. */
const placePatch = (
  { plan, pixels, pixelBytes, sourceBytes }: Layout,
  sample: number,
  { source, target, mask }: PatchPixels,
  buffer: ArrayBufferLike,
): void => {
  const words = new Uint32Array(buffer);
  const say = (atSource: number, atTarget: number, atMask: number): void => {
    words[plan.sources / 4 + sample] = atSource;
    words[plan.targets / 4 + sample] = atTarget;
    words[plan.masks / 4 + sample] = atMask;
  };
  if ([source, target, mask].every((values) => ownBuffers.has(values.buffer))) {
    say(source.byteOffset, target.byteOffset, mask.byteOffset);
    return;
  }
  const at = pixels + sample * pixelBytes;
  new Int16Array(buffer, at, source.length).set(source);
  new Int16Array(buffer, at + sourceBytes, target.length).set(target);
  new Uint8Array(buffer, at + 2 * sourceBytes, mask.length).set(mask);
  say(at, at + sourceBytes, at + 2 * sourceBytes);
};

/** {@link PixelError} in WebAssembly SIMD, on all threads; the bits do not depend on their number. */
export const pixelError = ({ lut, conv, running, patches, bandMax, norm }: PixelErrorInputs): PixelError => {
  const knots = lut.length / (patches.length * bandMax.length);
  const { memory, kernel, layout } = arenaFor(patches, knots, bandMax);
  const { plan, address } = layout;
  const { bands } = plan;
  const { buffer } = memory;
  const floats = new Float32Array(buffer);
  const units = patches.length * plan.strips;
  const run = (pass: PixelPass): void => {
    if (kernel.runPass(controlAt, pass, address, units) !== 0)
      throw new Error('kernel pixel-error: a thread failed');
  };

  patches.forEach((patch, sample) => {
    placePatch(layout, sample, patch, buffer);
    let table = plan.tables + sample * plan.tableBytes;
    bandMax.forEach((max, band) => {
      expandBand(lut, (sample * bands + band) * knots, knots, max, new Float32Array(buffer, table, max));
      table += 4 * max;
    });
  });
  const weights = bands * bands * 9;
  arrangeWeights(conv, bands, false, floats.subarray(plan.forward / 4));
  arrangeWeights(conv, bands, true, floats.subarray(plan.backward / 4));
  const bias = conv.subarray(weights, weights + bands);
  const gamma = conv.subarray(weights + bands, weights + 2 * bands);
  const beta = conv.subarray(weights + 2 * bands, weights + 3 * bands);

  const sums = new Float64Array(buffer, plan.sums, (units * plan.sumBytes) / 8);
  const summed = (at: number): number => {
    let total = 0;
    for (let unit = 0; unit < units; unit++) total += sums[(unit * plan.sumBytes) / 8 + at];
    return total;
  };
  const perBand = (of: (band: number) => number): Float64Array =>
    Float64Array.from({ length: bands }, (_, band) => of(band));
  const setConstants = (at: number, values: Float64Array | Float32Array): void => floats.set(values, at / 4);

  const kept = Float32Array.from(running);
  const pixels = patches.length * plan.width * plan.height;
  let mean = perBand((band) => running[band] - bias[band]);
  let variance = perBand((band) => running[bands + band]);
  if (norm === 'batch') {
    run(PixelPass.conv);
    ({ mean, variance } = combineMoments(sums, plan, units));
    for (let band = 0; band < bands; band++)
      moveRunning(kept, band, bands, mean[band] + bias[band], variance[band], pixels);
  }
  const inverse = perBand((band) => 1 / Math.sqrt(variance[band] + normEpsilon));
  const scale = perBand((band) => gamma[band] * inverse[band]);
  setConstants(plan.mean, mean);
  setConstants(plan.scale, scale);
  setConstants(plan.beta, beta);
  setConstants(plan.level, new Float64Array(bands));
  setConstants(plan.slope, new Float64Array(bands));
  run(norm === 'running' ? PixelPass.whole : PixelPass.error);

  const errors = errorSumsAt(bands);
  const valid = summed(errors);
  const mse = summed(errors + 1) / (Math.max(valid, 1) * bands);
  const result: PixelError = {
    mse,
    running: kept,
    dLut: new Float32Array(lut.length),
    dConv: new Float32Array(conv.length),
  };
  if (valid === 0) return result;

  const factor = 2 / (valid * bands);
  const level = perBand((band) => summed(errors + 2 + band));
  const slope = perBand((band) => summed(errors + 2 + bands + band));
  if (norm === 'batch') {
    setConstants(
      plan.level,
      level.map((sum, band) => (scale[band] * sum) / pixels),
    );
    setConstants(
      plan.slope,
      slope.map((sum, band) => (scale[band] * inverse[band] ** 2 * sum) / pixels),
    );
    run(PixelPass.gradient);
  }
  for (let band = 0; band < bands; band++) {
    // the batch's mean takes the bias away again
    result.dConv[weights + band] = norm === 'batch' ? 0 : factor * scale[band] * level[band];
    result.dConv[weights + bands + band] = factor * inverse[band] * slope[band];
    result.dConv[weights + 2 * bands + band] = factor * level[band];
  }
  const first = weightSumsAt(bands);
  for (let output = 0; output < bands; output++)
    for (let tap = 0; tap < 9 * bands; tap++)
      result.dConv[output * bands * 9 + tap] = factor * summed(first + tap * plan.channels + output);
  for (let sample = 0; sample < patches.length; sample++) kernel.foldTables(address, sample);
  const knotSums = new Float64Array(buffer, plan.knotSums, result.dLut.length);
  for (let k = 0; k < knotSums.length; k++) result.dLut[k] = factor * knotSums[k];
  return result;
};
