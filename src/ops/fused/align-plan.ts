import { Fault } from '../../fault.js';
import { knotPositions } from '../apply-mapping.js';
import { memoryPlan } from './load.js';
import { firstFree } from './threads.js';

/** What fixes the memory of the fused loss. */
export interface AlignShape {
  samples: number;
  width: number;
  height: number;
  knots: number;
  bandMax: readonly number[];
}

/** Fields of kernels/align.ts's Plan, in its order, 4 bytes each. */
const fields = [
  'width',
  'height',
  'bands',
  'channels',
  'rowBytes',
  'stride',
  'stripRows',
  'strips',
  'sources',
  'targets',
  'masks',
  'tables',
  'tableBytes',
  'bandOffsets',
  'lasts',
  'y',
  'yPlane',
  'z',
  'zPlane',
  'columns',
  'forward',
  'backward',
  'mean',
  'scale',
  'beta',
  'level',
  'slope',
  'sums',
  'sumBytes',
  'gradients',
  'knots',
  'lower',
  'upper',
  'knotSums',
] as const;

export type AlignPlan = Record<(typeof fields)[number], number> & {
  /** Address of the fields in memory. */
  address: number;
  /** Of each sample's pixels; `sourceBytes` of source, the same of target, then the mask. */
  pixels: number;
  sourceBytes: number;
  pixelBytes: number;
  samples: number;
  scratch: number;
  scratchBytes: number;
  /** Bytes in all. */
  bytes: number;
};

/**
 * Rows of a strip, the unit of work and of summing: fixed, so that results do not depend on the threads. Small
 * enough to share four patches out evenly, large enough that the two rows computed twice cost little.
 */
const stripRows = 128;

/** A ticket of kernels/crew.ts has 24 bits for them. */
const maxUnits = 2 ** 24 - 1;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Where everything lies for batches of up to `samples`. kernels/align.ts says what each stretch holds. */
export const planAlign = (
  { samples, width, height, knots, bandMax }: AlignShape,
  threads: number,
): AlignPlan => {
  const bands = bandMax.length;
  const channels = roundUp(bands, 4);
  const rowBytes = roundUp(width, 8) * 4;
  const stride = rowBytes + 32;
  const strips = Math.ceil(height / stripRows);
  const units = samples * strips;
  if (units > maxUnits)
    throw new Fault(`batch: ${samples} patches of ${width} × ${height} pixels; lower train.batchSize`);
  const taps = roundUp(9 * bands, 2);
  const yPlane = (height + 2) * stride;
  const zPlane = height * rowBytes;
  const tableBytes = roundUp(4 * bandMax.reduce((sum, max) => sum + max, 0), 64);
  const sumBytes = roundUp(8 * (5 * bands + 2 + taps * channels), 64);
  // vectors reach past the last row, never further than one of them
  const slack = 64;
  const sourceBytes = roundUp(2 * bands * width * height + slack, 64);
  const pixelBytes = 2 * sourceBytes + roundUp(width * height + slack, 64);
  // kernels/align.ts: scratchBytes
  const scratchBytes = roundUp(
    (3 + 5 * channels) * rowBytes + 3 * channels * stride + 4 * taps + 16 + 16 * taps * channels,
    64,
  );
  const { take, size } = memoryPlan(firstFree);
  const address = take(4 * fields.length);
  const perChannel = (): number => take(4 * channels);
  const plan = {
    address,
    width,
    height,
    bands,
    channels,
    rowBytes,
    stride,
    stripRows,
    strips,
    samples,
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
    tableBytes,
    tables: take(samples * tableBytes),
    gradients: take(units * tableBytes),
    knots,
    lower: take(tableBytes),
    upper: take(tableBytes),
    knotSums: take(8 * samples * bands * knots),
    sumBytes,
    sums: take(units * sumBytes),
    scratchBytes,
    scratch: take(threads * scratchBytes),
    sourceBytes,
    pixelBytes,
    pixels: take(samples * pixelBytes),
    yPlane,
    y: take(samples * bands * yPlane),
    zPlane,
    z: take(samples * channels * zPlane),
  };
  return { ...plan, bytes: size() };
};

/** Writes a plan's constants into memory and clears what must be zero. */
export const writePlan = (plan: AlignPlan, bandMax: readonly number[], buffer: ArrayBuffer): void => {
  new Uint8Array(buffer, plan.address, plan.bytes - plan.address).fill(0);
  const words = new Uint32Array(buffer);
  fields.forEach((field, index) => {
    words[plan.address / 4 + index] = plan[field];
  });
  let offset = 0;
  bandMax.forEach((max, band) => {
    words[plan.bandOffsets / 4 + band] = offset;
    words[plan.lasts / 4 + band] = max - 1;
    const { knot, weight } = knotPositions(plan.knots, max);
    words.set(knot, (plan.lower + offset) / 4);
    new Float32Array(buffer).set(weight, (plan.upper + offset) / 4);
    offset += 4 * max;
  });
  for (let sample = 0; sample < plan.samples; sample++) {
    const pixels = plan.pixels + sample * plan.pixelBytes;
    words[plan.sources / 4 + sample] = pixels;
    words[plan.targets / 4 + sample] = pixels + plan.sourceBytes;
    words[plan.masks / 4 + sample] = pixels + 2 * plan.sourceBytes;
  }
  words.fill(0xffffffff, plan.columns / 4, plan.columns / 4 + plan.width);
};
