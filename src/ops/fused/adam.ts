import { type AdamStep, biasCorrections } from '../adam-signature.js';
import { kernelMemory, loadKernel, memoryPlan } from './load.js';

/** kernels/adam.ts */
interface AdamKernel {
  adam(
    count: number,
    theta: number,
    gradient: number,
    m: number,
    v: number,
    ema: number,
    stepSize: number,
    correction: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    epsilon: number,
    weightDecay: number,
    emaRest: number,
  ): void;
}

interface Room {
  kernel: AdamKernel;
  vectors: Float32Array[];
}

/** The kernel that works on each memory that this file made. */
const rooms = new WeakMap<ArrayBufferLike, AdamKernel>();

const makeRoom = (count: number, vectors: number): Room => {
  const plan = memoryPlan();
  // whole SIMD vectors: the kernel also steps the zeros behind the last value, which stay zero
  const addresses = Array.from({ length: vectors }, () => plan.take(Math.ceil(count / 4) * 16));
  const memory = kernelMemory(plan.size());
  const kernel = loadKernel<AdamKernel>('adam', memory);
  rooms.set(memory.buffer, kernel);
  return { kernel, vectors: addresses.map((address) => new Float32Array(memory.buffer, address, count)) };
};

/** `vectors` zeroed arrays of `count` values in one memory of the kernel. */
export const sharedVectors = (count: number, vectors: number): Float32Array[] =>
  makeRoom(count, vectors).vectors;

/** Rooms for arrays that lie elsewhere, by length; the last few are kept. */
const guests = new Map<number, Room>();

const guestRoom = (count: number): Room => {
  const room = guests.get(count) ?? makeRoom(count, 5);
  guests.delete(count);
  guests.set(count, room);
  if (guests.size > 4) guests.delete(guests.keys().next().value as number);
  return room;
};

/** Whether a whole-vector step over `values` stays within padding that {@link makeRoom} gave it. */
const isAtHome = (values: Float32Array, buffer: ArrayBufferLike): boolean =>
  values.buffer === buffer && values.byteOffset % 64 === 0;

/** Adam in WebAssembly SIMD, float32 throughout, as PyTorch computes it. */
export const fusedAdam = (options: AdamStep): void => {
  const { theta, gradient, m, v, ema, beta1, beta2, epsilon, weightDecay, emaDecay } = options;
  const { stepSize, correction } = biasCorrections(options);
  const given = ema ? [theta, m, v, gradient, ema] : [theta, m, v, gradient];
  const home = rooms.get(theta.buffer);
  const atHome = home !== undefined && given.every((values) => isAtHome(values, theta.buffer));
  const guest = atHome ? null : guestRoom(theta.length);
  const placed = guest ? guest.vectors.slice(0, given.length) : given;
  if (guest) for (const [i, values] of given.entries()) placed[i].set(values);
  const [at, first, second, slope, average] = placed.map(({ byteOffset }) => byteOffset);
  (guest?.kernel ?? home!).adam(
    Math.ceil(theta.length / 4) * 4,
    at,
    slope,
    first,
    second,
    average ?? 0,
    stepSize,
    correction,
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    epsilon,
    weightDecay,
    1 - emaDecay,
  );
  if (guest) for (const [i, values] of given.entries()) if (values !== gradient) values.set(placed[i]);
};
