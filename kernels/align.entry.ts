// One memory for all threads: kernels/align.ts computes units of a pass, this shares them out.
// asc align: --enable threads --sharedMemory --maximumMemory 65536
import { convPass, errorPass, gradientPass, wholePass } from './align';
export { foldTables, scratchBytes } from './align';
// What is exported is not inlined: V8 keeps the sums of a small function in registers, those of a large one not.
export { convRow, weightRow } from './conv-rows';
export { addRow, readRow } from './look-up';
export { errorRow, momentRow, slopeRow } from './align';

// At `control`, zero at first. The ticket holds the round (high 32 bits), its number of units (16) and the
// next unit (16), so that a thread that comes late cannot take a unit of another round.
const ticketAt: usize = 0; // i64
const roundAt: usize = 8; // i32
const doneAt: usize = 12; // i32
const passAt: usize = 16; // i32
const planAt: usize = 20; // u32
/** Set by the host when a thread has failed. */
const failedAt: usize = 24; // i32
/** Each thread's scratch memory, u32; thread 0 is the host's. */
const scratchAt: usize = 64;

function run(pass: i32, plan: usize, unit: i32, scratch: usize): void {
  if (pass == 0) convPass(plan, unit, scratch);
  else if (pass == 1) errorPass(plan, unit, scratch);
  else if (pass == 2) gradientPass(plan, unit, scratch);
  else wholePass(plan, unit, scratch);
}

/** Takes units until none is left. */
function work(control: usize, thread: i32): void {
  while (true) {
    const ticket = atomic.load<i64>(control + ticketAt);
    const unit = <i32>(ticket & 0xffff), units = <i32>((ticket >> 16) & 0xffff);
    if (unit >= units) return;
    if (atomic.cmpxchg<i64>(control + ticketAt, ticket, ticket + 1) != ticket) continue;
    const scratch = <usize>load<u32>(control + scratchAt + (<usize>thread << 2));
    run(load<i32>(control + passAt), <usize>load<u32>(control + planAt), unit, scratch);
    if (atomic.add<i32>(control + doneAt, 1) + 1 == units) atomic.notify(control + doneAt, 1);
  }
}

/** Runs a pass over `units` (at most 65 535) on this thread and all that serve; returns 0, or 1 if one failed. */
export function runPass(control: usize, pass: i32, plan: usize, units: i32): i32 {
  const round = atomic.load<i32>(control + roundAt) + 1;
  store<i32>(control + passAt, pass);
  store<u32>(control + planAt, <u32>plan);
  atomic.store<i32>(control + doneAt, 0);
  atomic.store<i64>(control + ticketAt, (<i64>round << 32) | (<i64>units << 16));
  atomic.store<i32>(control + roundAt, round);
  atomic.notify(control + roundAt, -1);
  work(control, 0);
  while (true) {
    const done = atomic.load<i32>(control + doneAt);
    if (done == units) return 0;
    if (atomic.load<i32>(control + failedAt)) return 1;
    atomic.wait<i32>(control + doneAt, done, 100_000_000);
  }
}

/** A thread's life: works on each round, sleeps between them. */
export function serve(control: usize, thread: i32): void {
  while (true) {
    const round = atomic.load<i32>(control + roundAt);
    work(control, thread);
    atomic.wait<i32>(control + roundAt, round, -1);
  }
}
