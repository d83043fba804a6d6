import { closeSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Fault } from '../fault.js';

/** How long work may take to end by itself after the first signal, ms; what starts after it still ends within a second. */
const patience = 600;
/** The same for a process that another of ours waits for, which has to end in its turn. */
const workersPatience = 400;
/** How long the process may take to exit when it is told to, ms. */
const exitPatience = 250;

/** The function of the main thread that the watch calls, as a property of `globalThis`. */
const endName = 'bandalign.end';

/** Both ways in which the end of a command is asked for. */
export interface Interruption {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  signal: AbortSignal;
  /** Resolves when signals are heard. Before, they end the process at once: nothing should be begun that then needs an end. */
  heard: Promise<void>;
}

/** What is seen of Node's own wrapper of a signal. */
interface SignalWrap {
  onsignal: () => void;
  start: (signal: number) => number;
}

/**
 * Runs in a thread of its own, from its source text: it uses nothing from outside itself. A loop without end keeps the main
 * thread from hearing a signal; this thread hears it too, and when the main thread has not ended in time, ends it by way of
 * the inspector, which reaches into running code. Where it computes in native code, only a kill is left.
 */
const watch = (signals: readonly number[], wait: number, exitWait: number, name: string): void => {
  // Node has no public way for a thread to hear signals; without this one the main thread alone hears them
  process.noDeprecation = true;
  const { Signal } = (
    process as unknown as { binding: (name: string) => { Signal: new () => SignalWrap } }
  ).binding('signal_wrap');
  const { Session } = process.getBuiltinModule('node:inspector');
  const end = (): void => {
    const session = new Session();
    session.connectToMainThread();
    session.post('Runtime.evaluate', { expression: `globalThis[Symbol.for('${name}')]()` });
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), exitWait);
  };
  let isHeard = false;
  for (const signal of signals) {
    const wrap = new Signal();
    wrap.onsignal = () => {
      if (!isHeard) setTimeout(end, wait);
      isHeard = true;
    };
    wrap.start(signal);
  }
  process.getBuiltinModule('node:worker_threads').parentPort?.postMessage('listening');
};

/**
 * Listens for Ctrl-C and SIGTERM. The first one aborts the signal that is returned; the second ends the process, and so does
 * the first after a moment, whatever the process is at: files under their final names are whole at any time.
 *
 * @param remedy what the person can do then: `--resume continues`; asked when the signal comes
 */
export const interruption = (remedy: () => string): Interruption => {
  const controller = new AbortController();
  const fault = (): Fault => new Fault(`interrupted: stopped by signal; ${remedy()}`, 1);
  const names = ['SIGINT', 'SIGTERM'] as const;
  const hear = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nbandalign: interrupted; finishing the current step (again to stop at once)\n');
    controller.abort(fault());
  };
  Object.assign(globalThis, {
    [Symbol.for(endName)]: () => {
      const { message, exitCode } = fault();
      try {
        writeSync(2, `\nbandalign: ${message}\n`);
        // Node would tell of a debugger here
        closeSync(2);
      } catch {
        // nobody reads it
      }
      process.exit(exitCode);
    },
  });
  const wait = process.send ? workersPatience : patience;
  const words = [names.map((name) => constants.signals[name]), wait, exitPatience, endName];
  const thread = new Worker(`(${watch})(${words.map((word) => JSON.stringify(word)).join(', ')})`, {
    eval: true,
    // the thread is to be light, and nothing that this process was started with concerns it
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  const heard = new Promise<void>((resolve) => {
    const listen = (): void => {
      for (const name of names) process.on(name, hear);
      thread.unref();
      resolve();
    };
    // until somebody hears them wherever the main thread is, signals end the process at once
    thread.once('message', listen);
    // a Node without the wrapper: the main thread hears signals as long as it turns
    thread.once('error', listen);
  });
  return { signal: controller.signal, heard };
};
