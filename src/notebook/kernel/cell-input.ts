import { readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { channels, type EvaluatorEvent } from './evaluator-messages.js';

/** What cells read from whoever runs them: by `prompt()`, or from `process.stdin` (readline). */
export interface CellInput {
  /** A cell begins to run; `allowed`: its front end can ask. */
  begin: (allowed: boolean) => void;
  /** The cell has ended: nobody is asked any more. Readers that a failed cell leaves behind are closed. */
  end: (failed: boolean) => void;
  /** A line that `process.stdin` had asked for. */
  receive: (line: string) => void;
}

/** How long a reader of `process.stdin` must stay without a line before somebody is asked, ms: `readline` closed by then wants none. */
const askAfter = 50;

class InputError extends Error {}
const unavailable = (): Error =>
  Object.assign(
    new InputError(
      'the cell asks for input, and nobody can be asked here; set the value in the cell, or make it a parameter (-p name=value)',
    ),
    { name: 'InputUnavailable' },
  );

const pause = new Int32Array(new SharedArrayBuffer(4));

/** The next line of the kernel's answers, waited for without a turn of the event loop. */
const nextLine = (): string => {
  const chunk = Buffer.alloc(65_536);
  const parts: Buffer[] = [];
  for (;;) {
    let size = 0;
    try {
      size = readSync(channels.input, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 10);
      continue;
    }
    if (size === 0) throw unavailable(); // the kernel is gone
    parts.push(Buffer.from(chunk.subarray(0, size)));
    if (chunk[size - 1] === 10) return Buffer.concat(parts).toString('utf8');
  }
};

/** Puts `prompt` and a `process.stdin` that asks into this process. */
export const provideInput = (send: (event: EvaluatorEvent) => void): CellInput => {
  let running = false;
  let allowed = false;
  let waiting: Readable | undefined;
  let timer: NodeJS.Timeout | undefined;

  const prompt = (message = '', initial = ''): string => {
    if (!allowed) throw unavailable();
    send({ type: 'input', prompt: String(message), blocking: true });
    const answer = JSON.parse(nextLine()) as { value?: string };
    if (answer.value === undefined)
      throw Object.assign(new InputError('the cell was stopped'), { name: 'Interrupted' });
    return answer.value === '' ? String(initial) : answer.value;
  };

  const ask = (): void => {
    const stream = waiting;
    if (!stream || !running) return;
    if (stream.isPaused() || (stream.readableFlowing !== true && stream.listenerCount('readable') === 0))
      return void stream.once('resume', schedule);
    if (!allowed) return void stream.destroy(unavailable());
    send({ type: 'input', prompt: '', blocking: false });
  };
  const schedule = (): void => {
    clearTimeout(timer);
    timer = setTimeout(ask, allowed ? askAfter : 0);
  };
  const open = (): Readable => {
    const stream: Readable = new Readable({
      highWaterMark: 0, // nothing is read ahead: each read asks somebody
      read: () => {
        waiting = stream;
        schedule();
      },
      destroy: (error, done) => {
        if (waiting === stream) waiting = undefined;
        done(error);
      },
    });
    return Object.assign(stream, { fd: 0, isTTY: false });
  };
  let stdin: Readable | undefined;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get: () => {
      if (stdin === undefined || stdin.destroyed) stdin = open();
      return stdin;
    },
  });
  Object.defineProperty(globalThis, 'prompt', { configurable: true, writable: true, value: prompt });

  return {
    begin: (may) => {
      running = true;
      allowed = may;
      if (waiting) schedule(); // a readline that an earlier cell left open
    },
    end: (failed) => {
      running = false;
      clearTimeout(timer);
      if (failed) stdin?.destroy();
    },
    receive: (line) => {
      const stream = waiting;
      waiting = undefined;
      stream?.push(`${line}\n`);
    },
  };
};
