import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { channels, lineReader } from './evaluator-messages.js';

/**
 * Shared between the thread that runs cells and this one, cells by the ids of their requests: the cell at work (0: none),
 * the last one that is to be interrupted, the last that heard it, the last that has ended, and whether the cell's own code
 * may be cut (1) or the compiler is at work, whose state must stay whole (0).
 */
export const slots = { cell: 0, unwanted: 1, heard: 2, ended: 3, cuttable: 4 } as const;

/** How long a cell has to hear of its interrupt before its code is cut, milliseconds. */
const patience = 300;

/**
 * A thread beside the one that runs cells. It stays awake while a cell computes: on a word from the kernel it
 * interrupts the cell, first by a message, which reaches every pending await, then by ending whatever JavaScript runs,
 * which reaches loops, after an await too. (Signals would not do: node:vm breaks only a script's first, synchronous part
 * and drops signals that arrive as it starts.) When the kernel is gone, so are this process and its children.
 */
const watch = (state: Int32Array): void => {
  const terminate = (): void => {
    const session = new Session();
    session.connectToMainThread();
    session.post('Runtime.terminateExecution', () => session.disconnect());
  };
  const press = (cell: number, again: boolean): void => {
    if (Atomics.load(state, slots.cell) !== cell || Atomics.load(state, slots.heard) === cell) return;
    if (again && Atomics.load(state, slots.cuttable) === 1) terminate();
    parentPort?.postMessage(cell); // again too: what was cut may have been the listener
    setTimeout(press, patience, cell, true);
  };
  const interrupt = (cell: number): void => {
    if (Atomics.load(state, slots.ended) >= cell) return;
    Atomics.store(state, slots.unwanted, cell);
    // the word to interrupt a cell may overtake the word to run it
    if (Atomics.load(state, slots.cell) === cell) press(cell, false);
    else setTimeout(interrupt, 10, cell);
  };
  const line = new Socket({ fd: channels.interrupts, readable: true, writable: false });
  line.on('data', lineReader<number>(interrupt));
  const die = (): void => void process.kill(0, 'SIGKILL'); // the group: what cells have started, too
  line.on('end', die).on('error', die);
};

if (workerData instanceof SharedArrayBuffer) watch(new Int32Array(workerData));
