/**
 * Hands the units of a round out to threads that work on one memory. Each thread has a queue of neighbouring units, which
 * it takes from the front; when it is empty, it takes from the back of another's. So a thread that works on the same
 * part of the data round after round finds it in its core's cache, and threads seldom write to one cache line. A queue
 * holds the round, its end and its next unit in one word, so that taking a unit and knowing that it is one of this round
 * are the same exchange. A kernel's entry says what a unit is.
 */
import {
  doneAt, failedAt, hostSleepsAt, limitAt, planAt, queueAt, queueBytes, queuesAt, roundAt, scratchAt, sleepersAt, taskAt,
} from '../src/engine/abi';

/** Looks at a number that another thread will change before falling asleep over it: some 100 µs, more than lies between two passes. */
const spinCount: i32 = 200_000;

@inline export function taskOf(control: usize): i32 { return load<i32>(control + taskAt); }
@inline export function planOf(control: usize): usize { return <usize>load<u32>(control + planAt); }
@inline export function roundOf(control: usize): i32 { return atomic.load<i32>(control + roundAt); }
@inline export function scratchOf(control: usize, thread: i32): usize {
  return <usize>load<u32>(control + scratchAt + (<usize>thread << 2));
}

@inline function firstOf(queue: i32, queues: i32, units: i32): i32 { return <i32>((<i64>units * queue) / queues); }

/** A unit for the caller, or −1 when none is left. */
export function takeUnit(control: usize, thread: i32): i32 {
  const queues = load<i32>(control + queuesAt);
  for (let i = 0; i < queues; i++) {
    const owner = (thread + i) % queues;
    const at = control + queueAt + <usize>owner * queueBytes;
    while (true) {
      const queue = atomic.load<i64>(at);
      const next = <i32>(queue & 0xffffff), end = <i32>((queue >> 24) & 0xffffff);
      if (next >= end) break;
      if (owner == thread) {
        if (atomic.cmpxchg<i64>(at, queue, queue + 1) == queue) return next;
      } else if (atomic.cmpxchg<i64>(at, queue, queue - (1 << 24)) == queue) return end - 1;
    }
  }
  return -1;
}

/** A thread other than the host has done `units`. */
export function report(control: usize, units: i32): void {
  if (units == 0) return;
  atomic.add<i32>(control + doneAt, units);
  if (atomic.load<i32>(control + hostSleepsAt)) atomic.notify(control + doneAt, 1);
}

/** Opens a round of `units`, at most 16 777 215. */
export function openRound(control: usize, task: i32, plan: usize, units: i32): void {
  const round = atomic.load<i32>(control + roundAt) + 1;
  const queues = max(1, atomic.load<i32>(control + limitAt));
  store<i32>(control + taskAt, task);
  store<u32>(control + planAt, <u32>plan);
  store<i32>(control + queuesAt, queues);
  atomic.store<i32>(control + doneAt, 0);
  for (let i = 0; i < queues; i++)
    atomic.store<i64>(
      control + queueAt + <usize>i * queueBytes,
      (<i64>(round & 0xffff) << 48) | (<i64>firstOf(i + 1, queues, units) << 24) | <i64>firstOf(i, queues, units),
    );
  atomic.store<i32>(control + roundAt, round);
  // one that is about to sleep sees the new round first
  if (atomic.load<i32>(control + sleepersAt)) atomic.notify(control + roundAt, -1);
}

/** Waits until the others have done `units`; returns 0, or 1 if a thread has failed. */
export function closeRound(control: usize, units: i32): i32 {
  let look = 0;
  for (let done = atomic.load<i32>(control + doneAt); done != units; done = atomic.load<i32>(control + doneAt)) {
    if (atomic.load<i32>(control + failedAt)) return 1;
    if (look++ < spinCount) continue;
    atomic.store<i32>(control + hostSleepsAt, 1);
    atomic.wait<i32>(control + doneAt, done, 100_000_000);
    atomic.store<i32>(control + hostSleepsAt, 0);
  }
  return 0;
}

/** Waits for a round after `round`. */
export function awaitRound(control: usize, round: i32): void {
  for (let look = 0; look < spinCount; look++) if (roundOf(control) != round) return;
  atomic.add<i32>(control + sleepersAt, 1);
  atomic.wait<i32>(control + roundAt, round, -1);
  atomic.sub<i32>(control + sleepersAt, 1);
}

/** Whether the thread may work; where it may not, returns only when that may have changed. */
export function mayWork(control: usize, thread: i32): bool {
  const limit = atomic.load<i32>(control + limitAt);
  if (thread < limit) return true;
  atomic.wait<i32>(control + limitAt, limit, -1);
  return false;
}
