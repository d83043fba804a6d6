import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';
import { channels } from './evaluator-messages.js';

/** Shared between the thread that runs cells and this one: the running cell (0: none), the last one that heard its interrupt. */
export const slots = { running: 0, heard: 1 } as const;

/** How long a cell has to hear SIGINT before its code is cut, milliseconds. */
const patience = 300;

/**
 * A thread beside the one that runs cells. It stays awake while a cell computes: on a word from the kernel it
 * interrupts the cell, first by SIGINT, which reaches a script's own loop and every pending await, then by ending
 * whatever JavaScript runs, which reaches a loop after an await too. When the kernel is gone, so is this process.
 */
const watch = (state: Int32Array): void => {
  const terminate = (): void => {
    const session = new Session();
    session.connectToMainThread();
    session.post('Runtime.terminateExecution', () => session.disconnect());
  };
  const interrupt = (): void => {
    const cell = Atomics.load(state, slots.running);
    if (cell === 0) return;
    process.kill(process.pid, 'SIGINT');
    setTimeout(() => {
      const deaf = Atomics.load(state, slots.heard) !== cell;
      if (Atomics.load(state, slots.running) === cell && deaf) terminate();
    }, patience);
  };
  const line = new Socket({ fd: channels.interrupts, readable: true, writable: false });
  line.on('data', interrupt);
  const die = (): void => void process.kill(process.pid, 'SIGKILL');
  line.on('end', die).on('error', die);
};

if (workerData instanceof SharedArrayBuffer) watch(new Int32Array(workerData));
