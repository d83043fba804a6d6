// One memory for all threads: kernels/pixel-error.ts computes units of a pass, threads.ts shares them out.
// asc pixel-error: --enable threads --sharedMemory --maximumMemory 65536
// asc pixel-error-fused: --enable threads --sharedMemory --maximumMemory 65536 --enable relaxed-simd
import { convPass, errorPass, gradientPass, wholePass } from './pixel-error';
export { foldTables, scratchBytes } from './pixel-error';
// What is exported is not inlined. V8 keeps the sums of a small function in registers, those of a large one not; and it
// optimises a function when it is called again, which a thread's life is not.
export { awaitRound } from './threads';
export { convRow, weightRow } from './conv-rows';
export { addRow, readRow } from './look-up';
export { errorRow, momentRow, slopeRow } from './pixel-error';
import { PixelPass } from '../src/engine/abi';
import { awaitRound, closeRound, mayWork, openRound, planOf, report, roundOf, scratchOf, takeUnit, taskOf } from './threads';

function run(pass: i32, plan: usize, unit: i32, scratch: usize): void {
  if (pass == PixelPass.conv) convPass(plan, unit, scratch);
  else if (pass == PixelPass.error) errorPass(plan, unit, scratch);
  else if (pass == PixelPass.gradient) gradientPass(plan, unit, scratch);
  else wholePass(plan, unit, scratch);
}

/** Takes units until none is left; returns how many. */
export function work(control: usize, thread: i32): i32 {
  let count = 0;
  for (let unit = takeUnit(control, thread); unit >= 0; unit = takeUnit(control, thread), count++)
    run(taskOf(control), planOf(control), unit, scratchOf(control, thread));
  return count;
}

/** Runs a pass over `units` on this thread and all that serve; returns 0, or 1 if one failed. */
export function runPass(control: usize, pass: i32, plan: usize, units: i32): i32 {
  openRound(control, pass, plan, units);
  return closeRound(control, units - work(control, 0));
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
