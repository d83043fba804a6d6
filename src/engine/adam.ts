import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';

/** The numbers of one step of Adam. */
export interface AdamRates {
  /** 1 for the first step. */
  step: number;
  lr: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** L2: `weightDecay`·theta is added to the gradient (not decoupled). */
  weightDecay: number;
  /** ema ← emaDecay·ema + (1 − emaDecay)·theta, after the step. */
  emaDecay: number;
}

/** One step of Adam over flat vectors of one length, all changed in place but `gradient`. */
export interface AdamStep extends AdamRates {
  theta: Float32Array;
  gradient: Float32Array;
  /** First and second moments; zeros before the first step. */
  m: Float32Array;
  v: Float32Array;
  /** Exponential moving average of theta, or null for none. */
  ema: Float32Array | null;
}

/** What the kernel takes behind the vectors: lr/(1 − β₁ᵗ), 1/√(1 − β₂ᵗ) and so on, computed in float64; [9]. */
export const adamArguments = (
  { step, lr, beta1, beta2, epsilon, weightDecay, emaDecay }: AdamRates,
  out: Float32Array | Float64Array,
): void => {
  out[0] = lr / (1 - beta1 ** step);
  out[1] = 1 / Math.sqrt(1 - beta2 ** step);
  out[2] = beta1;
  out[3] = 1 - beta1;
  out[4] = beta2;
  out[5] = 1 - beta2;
  out[6] = epsilon;
  out[7] = weightDecay;
  out[8] = 1 - emaDecay;
};

/** kernels/adam.ts */
interface AdamKernel {
  adam(
    count: number,
    theta: number,
    gradient: number,
    m: number,
    v: number,
    ema: number,
    ...rates: number[]
  ): void;
}

/** The vectors of one optimiser in a memory of its own. */
interface Arena {
  kernel: AdamKernel;
  /** In the order of {@link fields}. */
  vectors: Float32Array[];
}

/** The arena in each memory that this file made. */
const arenas = new WeakMap<ArrayBufferLike, Arena>();

/** Order of the vectors in an arena. */
const fields = ['theta', 'gradient', 'm', 'v', 'ema'] as const;

const makeArena = (count: number): Arena => {
  const plan = memoryPlan();
  // whole SIMD vectors: the kernel also steps the zeros behind the last value, which stay zero
  const addresses = fields.map(() => plan.take(Math.ceil(count / 4) * 16));
  const memory = kernelMemory(plan.size());
  const kernel = loadKernel<AdamKernel>('adam', memory);
  const vectors = addresses.map((address) => new Float32Array(memory.buffer, address, count));
  const arena = { kernel, vectors };
  arenas.set(memory.buffer, arena);
  return arena;
};

/** The vectors of one optimiser, zeroed. */
export type AdamVectors = Record<(typeof fields)[number], Float32Array>;

/** Vectors of `count` values for {@link adamStep}, placed so that it copies nothing. */
export const adamVectors = (count: number): AdamVectors => {
  const [theta, gradient, m, v, ema] = makeArena(count).vectors;
  return { theta, gradient, m, v, ema };
};

/** Arenas for vectors that lie elsewhere, by length; the last few are kept. */
const guestArenas = new Map<number, Arena>();

const guestArena = (count: number): Arena => {
  const arena = guestArenas.get(count) ?? makeArena(count);
  guestArenas.delete(count);
  guestArenas.set(count, arena);
  if (guestArenas.size > 4) guestArenas.delete(guestArenas.keys().next().value as number);
  return arena;
};

const isSame = (a: Float32Array, b: Float32Array): boolean =>
  a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

/** The gradient beside `theta` in its arena; null where theta is not of {@link adamVectors}. */
export const gradientBeside = (theta: Float32Array): Float32Array | null => {
  const own = arenas.get(theta.buffer);
  return own && isSame(own.vectors[0], theta) ? own.vectors[1] : null;
};

const rates = new Float64Array(9);

/**
 * One step of Adam (Kingma & Ba 2015) with L2 decay in the gradient, as `torch.optim.Adam(weight_decay=…)`, in place:
 * float32 in WebAssembly SIMD. The arrays may be any; those of {@link adamVectors} are worked on where they lie, others
 * are copied to the kernel and back.
 */
export const adamStep = (options: AdamStep): void => {
  for (const field of fields) {
    const values = options[field];
    if (values && values.length !== options.theta.length)
      throw new Error(`adam: ${field} has ${values.length} values, theta ${options.theta.length}`);
  }
  const { theta, ema } = options;
  adamArguments(options, rates);
  const own = arenas.get(theta.buffer);
  const { kernel, vectors } = own && isSame(own.vectors[0], theta) ? own : guestArena(theta.length);
  // only vectors that lie elsewhere are copied, there and back
  const guests = fields.flatMap((field, i) => {
    const values = options[field];
    return values && !isSame(values, vectors[i]) ? [{ field, values, home: vectors[i] }] : [];
  });
  for (const { values, home } of guests) home.set(values);
  const [at, slope, first, second, average] = vectors.map(({ byteOffset }) => byteOffset);
  kernel.adam(Math.ceil(theta.length / 4) * 4, at, slope, first, second, ema ? average : 0, ...rates);
  for (const { field, values, home } of guests) if (field !== 'gradient') values.set(home);
};
