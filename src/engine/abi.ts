/**
 * What the host and the kernels agree upon. Both compile this file: TypeScript for the host, AssemblyScript for
 * kernels/. Addresses and strides are in bytes. A class is a structure of 4-byte fields in the order in which they stand
 * here; the host writes `Object.values` of one.
 */

// What the threads of a shared memory agree upon, at `controlAt` (kernels/threads.ts).

/** Address of the control block in a memory that threads share. */
export const controlAt: usize = 1024;
export const roundAt: usize = 0;
/** What the round is about: the entry's words. */
export const taskAt: usize = 4;
export const planAt: usize = 8;
/** Queues that the round's units are in. */
export const queuesAt: usize = 12;
/** Set by the host when a thread has failed. */
export const failedAt: usize = 16;
/** Threads that may work, set by the host; the others sleep until it is changed. */
export const limitAt: usize = 20;
/** Units that others than the host have done; in a cache line of its own, as it is written while the first is read. */
export const doneAt: usize = 64;
/** Threads asleep, and whether the host is: who is awake needs no waking. */
export const sleepersAt: usize = 68;
export const hostSleepsAt: usize = 72;
/** Address of each thread's scratch memory, u32; thread 0 is the host's. */
export const scratchAt: usize = 128;
/** Each thread's queue, in a cache line of its own: round (16 bits), end (24) and next unit (24), i64. */
export const queueAt: usize = 256;
export const queueBytes: usize = 64;
/** Threads that a control block has room for. */
export const maxThreads: i32 = 32;
/** Units of a round at most: they have 24 bits of a queue. */
export const maxUnits: i32 = 0xffffff;
/** The control block, with a queue for each of `maxThreads`. */
export const controlBytes: usize = queueAt + queueBytes * maxThreads;

// A pass through the UNet is a program: phases one after the other, each of ops whose units may be done in any order by
// any thread. A phase is the address of its ops and the number of their units, u32. An op may have followers, which lie
// behind it: whoever did a unit of it does the same unit of them next.

export const phaseBytes: usize = 8;
/** Bytes of an op: its code, its units, the first of them, its followers, arguments in 4 bytes each, two float64 at the end. */
export const opBytes: usize = 104;
export const unitsAt: usize = 4;
export const firstUnitAt: usize = 8;
export const followersAt: usize = 12;
export const argumentsAt: usize = 16;
export const numbersAt: usize = 88;

export enum UnetOp {
  product = 0,
  cross = 1,
  packLeft = 2,
  filteredProduct = 3,
  filteredCross = 4,
  filterRows = 5,
  filterWeights = 6,
  filterWeightsBack = 7,
  normForward = 8,
  normBackward = 9,
  columnSums = 10,
  poolForward = 11,
  poolBackward = 12,
  planesToRows = 13,
  rowsToPlanes = 14,
  packConv = 15,
  packConvBack = 16,
  unpackConv = 17,
  packUp = 18,
  packUpBack = 19,
  unpackUp = 20,
  packPoint = 21,
  unpackPoint = 22,
  padBias = 23,
  statisticsError = 24,
  adam = 25,
}

/** How a norm gets its statistics: by the batch, by running statistics, by groups of channels of each sample. */
export enum NormKind {
  batch = 0,
  running = 1,
  group = 2,
}

/** Values of a vector that a thread steps at a time. */
export const adamStretch: i32 = 8192;

/** Rows that are summed in one go, and columns packed for it: bytes of a thread's scratch memory (kernels/matrix.ts). */
export const crossScratch: usize = 8192;

/** Pairs of positions whose products are summed in registers (kernels/minimal-filtering.ts). */
export const filteredRun: i32 = 64;

/** A training step from sufficient statistics (kernels/statistics-step.ts). Rows are those of the tables in memory. */
export class StatisticsPlan {
  samples: i32 = 0;
  bands: i32 = 0;
  knots: i32 = 0;
  /** Rows of the batch, [samples] u32. */
  batch: usize = 0;
  /** A's diagonal and off-diagonal and b, centred at the identity LUT, [rows, bands, knots] float32. */
  diagonal: usize = 0;
  offDiagonal: usize = 0;
  linear: usize = 0;
  /** Error of the identity LUT, and valid pixels, [rows, bands] float64. */
  constant: usize = 0;
  count: usize = 0;
  /** [bands, knots] float32; `base` 0: the UNet predicts the LUT itself. */
  identity: usize = 0;
  base: usize = 0;
  /** The UNet's output and the gradient by it, [samples, knots, bands rounded up to a multiple of 4] float32. */
  raw: usize = 0;
  rawGradient: usize = 0;
  /** Scale of the output, weights of total variation and monotonicity, float64; `weighed` 0: both are zero. */
  factors: usize = 0;
  weighed: i32 = 0;
  /** Squared error, total variation, falls of each sample and band, float64. */
  sums: usize = 0;
  /** Mse, both penalties and loss, float64. */
  losses: usize = 0;
  /** Programs: addresses of their phases and how many these are. */
  forward: usize = 0;
  forwardPhases: i32 = 0;
  backward: usize = 0;
  backwardPhases: i32 = 0;
}

/** A step of Adam in stretches of vectors of `count` float32, a multiple of 4. */
export class AdamPlan {
  count: i32 = 0;
  stretch: i32 = 0;
  theta: usize = 0;
  gradient: usize = 0;
  m: usize = 0;
  v: usize = 0;
  /** 0: no moving average. */
  ema: usize = 0;
  /** The arguments of `adam` (kernels/adam.ts) from `stepSize` on, float32. */
  rates: usize = 0;
  /** What is copied to `running` in the end. */
  running: usize = 0;
  moved: usize = 0;
  movedBytes: i32 = 0;
}

/** Passes over the pixels: LUT and convolution; error; gradients; all of it at once, with running statistics. */
export enum PixelPass {
  conv = 0,
  error = 1,
  gradient = 2,
  whole = 3,
}

/** Where all that the error of the pixels needs lies in memory (kernels/pixel-error.ts). */
export class PixelPlan {
  width: i32 = 0;
  height: i32 = 0;
  bands: i32 = 0;
  /** Bands rounded up to a multiple of 4. */
  channels: i32 = 0;
  /** Bytes of a row of float32, pixels rounded up to a multiple of 8. */
  rowBytes: usize = 0;
  /** Bytes of a row with its zeros on both sides. */
  stride: usize = 0;
  stripRows: i32 = 0;
  /** Strips of a sample. */
  strips: i32 = 0;
  /** Addresses of each sample's int16 planes [bands, height, width] and bytes [height, width]: [samples] u32. */
  sources: usize = 0;
  targets: usize = 0;
  masks: usize = 0;
  /** LUTs at every value, float32: sample after sample `tableBytes` apart, bands at `bandOffsets`; [bands] i32. */
  tables: usize = 0;
  tableBytes: usize = 0;
  bandOffsets: usize = 0;
  /** bandMax − 1, [bands] i32. */
  lasts: usize = 0;
  /** LUT outputs, zero-padded: [samples, bands, height + 2, stride]. */
  y: usize = 0;
  yPlane: usize = 0;
  /** Convolutions without bias: [samples, channels, height, rowBytes]. */
  z: usize = 0;
  zPlane: usize = 0;
  /** All ones below `width`, zero from there on: [rowBytes]. */
  columns: usize = 0;
  /** [channels / 4][bands, 3, 3, 4] float32, each four times: of the convolution and of its transpose. */
  forward: usize = 0;
  backward: usize = 0;
  /** Per channel, float32 [channels]: a = (z − mean)·scale + beta; dz = scale·da − level − (z − mean)·slope. */
  mean: usize = 0;
  scale: usize = 0;
  beta: usize = 0;
  level: usize = 0;
  slope: usize = 0;
  /** What units add up, float64, `sumBytes` apart; see the offsets below. */
  sums: usize = 0;
  sumBytes: usize = 0;
  /** Gradients of the tables, float32, `tableBytes` apart, one set a unit. */
  gradients: usize = 0;
  knots: i32 = 0;
  /** Of every value of every band, in the tables' order: lower knot, i32, and the upper knot's weight, float32. */
  lower: usize = 0;
  upper: usize = 0;
  /** Gradient of the knots, float64: [samples, bands, knots]. */
  knotSums: usize = 0;
}

// Sums of a unit of pixels, in float64 numbers: [bands] each of reference, Σ(z − reference), Σ(z − reference)²; then the
// valid pixels, Σe²; [bands] each of Σda, Σda·(z − mean); then the weights' gradient [tapPairs, channels].

export function errorSumsAt(bands: i32): i32 {
  return 3 * bands;
}

export function weightSumsAt(bands: i32): i32 {
  return 5 * bands + 2;
}

/** The 9 taps of every band, one more where they are odd: they are taken in pairs. */
export function pairedTaps(bands: i32): i32 {
  return (9 * bands + 1) & ~1;
}

/** A strip of rows that the conv module is applied to (kernels/apply.ts). */
export class ConvStrip {
  width: i32 = 0;
  bands: i32 = 0;
  /** Bands rounded up to a multiple of 4. */
  channels: i32 = 0;
  /** Bytes of a row of float32, pixels rounded up to a multiple of 8; and with its zeros on both sides. */
  rowBytes: usize = 0;
  stride: usize = 0;
  /** Rows to compute. */
  rows: i32 = 0;
  /** 1 where the row above the first and the row below the last are given; else they are zero. */
  top: i32 = 0;
  bottom: i32 = 0;
  /** Pixels given left and right of a row: 0 or 1; else they are zero. */
  left: i32 = 0;
  right: i32 = 0;
  /** [bands, top + rows + bottom, left + width + right] float32, or 16-bit codes for `alignStrip`. */
  input: usize = 0;
  /** [bands, rows, width] float32, or 16-bit samples of `alignStrip`, whose bands are so many bytes apart. */
  output: usize = 0;
  outputPlane: usize = 0;
  /** [channels / 4][bands, 3, 3, 4] float32, each four times. */
  weights: usize = 0;
  /** [bands] float32. */
  scale: usize = 0;
  shift: usize = 0;
  /** Memory for three rows of all bands, zero-padded: [3, bands, stride]. */
  ring: usize = 0;
  /** A row of zeros; a row of sums [channels, rowBytes]; 9·bands addresses. */
  zero: usize = 0;
  sums: usize = 0;
  taps: usize = 0;
  /** Of `alignStrip`: [bands, 65536] float32, what each code becomes; [bands] i32, the code that is nodata or −1. */
  tables: usize = 0;
  empty: usize = 0;
  /** 1: samples are int16, 0: uint16. */
  isSigned: i32 = 0;
  /** 1: no valid sample is `nodata`, what falls on it is `beside`. */
  hasNodata: i32 = 0;
  nodata: i32 = 0;
  beside: i32 = 0;
}
