import { kernelMemory, loadKernel, memoryPlan } from '../../kernels.js';
import { type AdamStep, biasCorrections } from '../adam-signature.js';

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

/** The room in each memory that this file made. */
const rooms = new WeakMap<ArrayBufferLike, Room>();

/** Order of the vectors in a room. */
const fields = ['theta', 'gradient', 'm', 'v', 'ema'] as const;

const makeRoom = (count: number): Room => {
  const plan = memoryPlan();
  // whole SIMD vectors: the kernel also steps the zeros behind the last value, which stay zero
  const addresses = fields.map(() => plan.take(Math.ceil(count / 4) * 16));
  const memory = kernelMemory(plan.size());
  const kernel = loadKernel<AdamKernel>('adam', memory);
  const vectors = addresses.map((address) => new Float32Array(memory.buffer, address, count));
  const room = { kernel, vectors };
  rooms.set(memory.buffer, room);
  return room;
};

/** Zeroed theta, gradient, m, v and ema of `count` values in one memory of the kernel. */
export const adamRoom = (count: number): readonly Float32Array[] => makeRoom(count).vectors;

/** Rooms for vectors that lie elsewhere, by length; the last few are kept. */
const guestRooms = new Map<number, Room>();

const guestRoom = (count: number): Room => {
  const room = guestRooms.get(count) ?? makeRoom(count);
  guestRooms.delete(count);
  guestRooms.set(count, room);
  if (guestRooms.size > 4) guestRooms.delete(guestRooms.keys().next().value as number);
  return room;
};

const isSame = (a: Float32Array, b: Float32Array): boolean =>
  a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

/** Adam in WebAssembly SIMD, float32 throughout, as PyTorch computes it. */
export const fusedAdam = (options: AdamStep): void => {
  const { theta, ema, beta1, beta2, epsilon, weightDecay, emaDecay } = options;
  const { stepSize, correction } = biasCorrections(options);
  const own = rooms.get(theta.buffer);
  const { kernel, vectors } = own && isSame(own.vectors[0], theta) ? own : guestRoom(theta.length);
  // only vectors that lie elsewhere are copied, there and back
  const guests = fields.flatMap((field, i) => {
    const values = options[field];
    return values && !isSame(values, vectors[i]) ? [{ field, values, place: vectors[i] }] : [];
  });
  for (const { values, place } of guests) place.set(values);
  const [at, slope, first, second, average] = vectors.map(({ byteOffset }) => byteOffset);
  kernel.adam(
    Math.ceil(theta.length / 4) * 4,
    at,
    slope,
    first,
    second,
    ema ? average : 0,
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
  for (const { field, values, place } of guests) if (field !== 'gradient') values.set(place);
};
