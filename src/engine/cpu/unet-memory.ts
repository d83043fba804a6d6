import { loadKernel } from '../../kernels.js';
import { controlAt, type NormKind, scratchAt } from '../abi.js';
import type { UnetSpec } from '../layout.js';
import { firstFree, reserve, sharedMemory } from './memory.js';
import { limitThreads, startThreads, threadCount } from './threads.js';
import { planUnet, type Resident, type UnetPlan } from './unet-plan.js';

/** kernels/unet.entry.ts */
interface UnetKernel {
  runProgram(control: number, phases: number, count: number): number;
  trainStep(control: number, plan: number): number;
}

/** A plan and the number of the last forward pass through it, whose activations it holds. */
export interface Planned {
  plan: UnetPlan;
  pass: number;
  /** Plans are dropped when there is no memory for all. */
  isDropped: boolean;
}

/** The one memory in which all UNets of the process are computed. */
interface Arena {
  memory: WebAssembly.Memory;
  kernel: UnetKernel;
  /** Threads that were started, and that may work. */
  threads: number;
  limit: number;
  /** Where plans begin: behind what is set aside. */
  base: number;
  /** End of the last plan. */
  end: number;
  plans: Map<string, Planned>;
  /** Whose scratch memory the threads work in. */
  scratchOf: UnetPlan | null;
}

/** Plans kept: training, its last short batch, evaluation, its last chunk. */
const plansKept = 4;

let arena: Arena | null = null;

const openArena = (): Arena => {
  const memory = sharedMemory();
  const kernel = loadKernel<UnetKernel>('unet', memory);
  const places = { base: firstFree, end: firstFree };
  return { memory, kernel, threads: 1, limit: 0, ...places, plans: new Map(), scratchOf: null };
};

const dropPlans = (within: Arena): void => {
  for (const planned of within.plans.values()) planned.isDropped = true;
  within.plans.clear();
  within.end = within.base;
  within.scratchOf = null;
};

const refusal = (bytes: number): string =>
  `kernel memory: ${(bytes / 2 ** 30).toFixed(1)} GiB; a smaller batch or model`;

/** One more plan, behind those that are there; in their place when they are too many. */
const addPlan = (
  within: Arena,
  key: string,
  spec: UnetSpec,
  samples: number,
  resident: Resident | null,
): Planned => {
  if (within.plans.size === plansKept) dropPlans(within);
  const { end, open } = planUnet(spec, samples, within.threads, within.end, resident);
  try {
    reserve(within.memory, end, refusal(end));
  } catch (error) {
    if (within.plans.size === 0) throw error;
    dropPlans(within);
    return addPlan(within, key, spec, samples, resident);
  }
  const { buffer } = within.memory;
  // what another plan left behind: padding must be zero
  new Uint8Array(buffer, within.end, end - within.end).fill(0);
  const planned: Planned = { plan: open(buffer), pass: 0, isDropped: false };
  within.end = end;
  within.plans.set(key, planned);
  return planned;
};

/** The arena, with as many threads at work as there may be now. */
const readyArena = (): Arena => {
  arena ??= openArena();
  const wanted = threadCount();
  if (wanted === arena.limit) return arena;
  if (wanted > arena.threads) {
    startThreads('unet', arena.memory, arena.threads, wanted);
    arena.threads = wanted;
    // each thread has its scratch memory in the plan
    dropPlans(arena);
  }
  limitThreads(arena.memory, wanted);
  arena.limit = wanted;
  return arena;
};

/**
 * The plan of a UNet of this shape and batch size. Plans are dropped when there is no memory for all: activations that a
 * pass left in one are then gone.
 *
 * @param resident see `planUnet`; there is one at most at a time
 * @throws Fault where it does not fit into 4 GiB, or what this host grants
 */
export const planFor = (spec: UnetSpec, samples: number, resident: Resident | null = null): Planned => {
  const within = readyArena();
  const { bands, knots, width, depth, norm, groups } = spec;
  const shape = [bands, knots, width, depth, norm, norm === 'group' ? groups : 0];
  const key = [resident ? 'resident' : '', samples, ...shape].join();
  return within.plans.get(key) ?? addPlan(within, key, spec, samples, resident);
};

const useScratchOf = (within: Arena, plan: UnetPlan): void => {
  if (within.scratchOf === plan) return;
  new Uint32Array(within.memory.buffer, controlAt + scratchAt, plan.scratch.length).set(plan.scratch);
  within.scratchOf = plan;
};

const threadFault = (): Error => new Error('kernel unet: a thread failed');

/** Runs a plan forward or back. */
export const runProgram = ({ plan }: Planned, direction: 'forward' | 'backward', kind: NormKind): void => {
  const within = arena!;
  useScratchOf(within, plan);
  const { at, phases } = plan[direction][kind]!;
  if (within.kernel.runProgram(controlAt, at, phases) !== 0) throw threadFault();
};

/** `planned` where it is there and still holds, else {@link planFor}, which costs a little more. */
export const keptPlan = (
  planned: Planned | undefined,
  spec: UnetSpec,
  samples: number,
  resident: Resident,
): Planned => {
  readyArena();
  return planned && !planned.isDropped ? planned : planFor(spec, samples, resident);
};

/** Runs a step of a resident plan; whether its loss is finite. */
export const runStep = ({ plan }: Planned, kind: NormKind): boolean => {
  const within = arena!;
  useScratchOf(within, plan);
  const result = within.kernel.trainStep(controlAt, plan.steps[kind]!);
  if (result === 1) throw threadFault();
  return result === 0;
};

let isSetAside = false;

/**
 * Sets the memory from `firstFree` to `end` aside, zeroed; it stays while plans come and go behind it. Null where some is
 * set aside already: whoever asks then does without.
 *
 * @throws Fault where this host has not as much
 */
export const setAside = (end: number): { buffer: ArrayBufferLike; release: () => void } | null => {
  if (isSetAside) return null;
  const within = readyArena();
  dropPlans(within);
  reserve(within.memory, end, refusal(end));
  isSetAside = true;
  within.base = within.end = end;
  const { buffer } = within.memory;
  new Uint8Array(buffer, firstFree, end - firstFree).fill(0);
  const release = (): void => {
    isSetAside = false;
    within.base = firstFree;
    dropPlans(within);
  };
  return { buffer, release };
};
