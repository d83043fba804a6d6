// One memory for all threads: kernels/unet-program.ts computes units of a phase, threads.ts shares them out.
// asc unet: --enable threads --sharedMemory --maximumMemory 65536
// asc unet-fused: --enable threads --sharedMemory --maximumMemory 65536 --enable relaxed-simd
import { phaseBytes, StatisticsPlan } from '../src/engine/abi';
import { sumLosses } from './statistics-step';
import { awaitRound, closeRound, mayWork, openRound, planOf, report, roundOf, scratchOf, takeUnit } from './threads';
import { runUnit } from './unet-program';
// What is exported is not inlined. V8 keeps the sums of a small function in registers, those of a large one not; and it
// optimises a function when it is called again, which a thread's life is not.
export { awaitRound } from './threads';
export { columnsTile, crossUnit, packedTile, packLeftUnit, productUnit, rowsTile } from './matrix';
export { adam } from './adam';
export { runUnit } from './unet-program';
export { filteredCrossUnit, filteredProductUnit } from './minimal-filtering';

/** Takes units until none is left; returns how many. */
export function work(control: usize, thread: i32): i32 {
  let count = 0;
  for (let unit = takeUnit(control, thread); unit >= 0; unit = takeUnit(control, thread), count++)
    runUnit(planOf(control), unit, scratchOf(control, thread));
  return count;
}

/**
 * Runs the phases of a program on this thread and all that serve: per phase, the address of its ops and its units, u32.
 * Returns 0, or 1 if a thread failed.
 */
export function runProgram(control: usize, phases: usize, count: i32): i32 {
  const end = phases + <usize>count * phaseBytes;
  for (let phase = phases; phase < end; phase += phaseBytes) {
    const units = load<i32>(phase, 4);
    openRound(control, 0, <usize>load<u32>(phase), units);
    if (closeRound(control, units - work(control, 0))) return 1;
  }
  return 0;
}

/**
 * A training step from sufficient statistics (a `StatisticsPlan`), Adam included. Returns 0, 1 if a thread failed, or 2
 * where the loss is not finite: then nothing has moved.
 */
export function trainStep(control: usize, at: usize): i32 {
  const plan = changetype<StatisticsPlan>(at);
  if (runProgram(control, plan.forward, plan.forwardPhases)) return 1;
  if (!sumLosses(at)) return 2;
  return runProgram(control, plan.backward, plan.backwardPhases);
}

/** A thread's life: works on each round, waits between them. */
export function serve(control: usize, thread: i32): void {
  while (true) {
    if (!mayWork(control, thread)) continue;
    const round = roundOf(control);
    report(control, work(control, thread));
    awaitRound(control, round);
  }
}
