import type { UnetSpec } from '../unet-layout.js';
import { loadKernel } from './load.js';
import {
  control,
  firstFree,
  limitThreads,
  reserve,
  scratchAt,
  sharedMemory,
  startThreads,
  threadCount,
} from './threads.js';
import type { NormKind } from './unet-ops.js';
import { type Program, planUnet, type UnetPlan } from './unet-plan.js';

/** kernels/unet.entry.ts */
interface UnetKernel {
  runProgram(control: number, phases: number, count: number): number;
}

/** A plan, and the number and the kind of the last forward pass through it. */
export interface Slot {
  plan: UnetPlan;
  pass: number;
  kind: NormKind | null;
}

interface Room {
  memory: WebAssembly.Memory;
  kernel: UnetKernel;
  threads: number;
  /** End of the last plan. */
  end: number;
  slots: Map<string, Slot>;
}

/** Plans kept: training, its last short batch, evaluation, its last chunk. */
const plansKept = 4;

let room: Room | null = null;

const openRoom = (): Room => {
  const memory = sharedMemory();
  const kernel = loadKernel<UnetKernel>('unet', memory);
  return { memory, kernel, threads: 1, end: firstFree, slots: new Map() };
};

/** Room for one more plan, behind those that are there; in their place when they are too many. */
const addSlot = (within: Room, key: string, spec: UnetSpec, samples: number): Slot => {
  if (within.slots.size === plansKept) {
    within.slots.clear();
    within.end = firstFree;
  }
  const { end, open } = planUnet(spec, samples, within.threads, within.end);
  try {
    reserve(within.memory, end, `kernel memory: ${(end / 2 ** 30).toFixed(1)} GiB; a smaller batch or model`);
  } catch (error) {
    if (within.slots.size === 0) throw error;
    within.slots.clear();
    within.end = firstFree;
    return addSlot(within, key, spec, samples);
  }
  const { buffer } = within.memory;
  // what another plan left behind: padding must be zero
  new Uint8Array(buffer, within.end, end - within.end).fill(0);
  const slot: Slot = { plan: open(buffer), pass: 0, kind: null };
  within.end = end;
  within.slots.set(key, slot);
  return slot;
};

/**
 * The plan of a UNet of this shape and batch size, in the one memory of the process. Plans are dropped when there is no
 * room for all: activations that a pass left in one are then gone.
 *
 * @throws Fault where it does not fit into 4 GiB, or what this host grants
 */
export const slotFor = (spec: UnetSpec, samples: number): Slot => {
  room ??= openRoom();
  const wanted = threadCount();
  if (wanted > room.threads) {
    startThreads('unet', room.memory, room.threads, wanted);
    room.threads = wanted;
    // each thread has its scratch memory in the plan
    room.slots.clear();
    room.end = firstFree;
  }
  limitThreads(room.memory, wanted);
  const { bands, knots, width, depth, norm, groups } = spec;
  const key = [samples, bands, knots, width, depth, norm, norm === 'group' ? groups : 0].join();
  return room.slots.get(key) ?? addSlot(room, key, spec, samples);
};

/** Runs a plan's way forward or back. */
export const runProgram = ({ plan }: Slot, way: 'forward' | 'backward', kind: NormKind): void => {
  const { memory, kernel } = room!;
  new Uint32Array(memory.buffer, scratchAt, plan.scratch.length).set(plan.scratch);
  const { at, phases }: Program = plan[way][kind];
  if (kernel.runProgram(control, at, phases) !== 0) throw new Error('kernel unet: a thread failed');
};
