import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fault.js';
import type { Call } from './command.js';

const main = fileURLToPath(new URL('./main.js', import.meta.url));

/** One `bandalign` call in a process of its own; its last words become the fault if it fails. */
const inProcess = (argv: readonly string[], threads: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...argv], {
      // by the channel it sees this process end
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, BANDALIGN_THREADS: String(threads) },
    });
    let errors = '';
    child.stderr!.on('data', (text) => {
      errors = (errors + text).slice(-4000);
    });
    const stop = (): void => void child.kill('SIGINT');
    signal.addEventListener('abort', stop, { once: true });
    child.on('error', reject);
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      if (code === 0) resolve();
      else if (signal.aborted) reject(signal.reason);
      else
        reject(
          new Fault(
            `${argv.slice(0, 2).join(' ')}: ended with ${code}; ${errors.trim().split('\n').at(-1)}`,
            1,
          ),
        );
    });
  });

/**
 * Runs calls of `bandalign` side by side, `jobs` at a time; the first failure ends all, and is thrown when they have ended.
 * Results do not depend on `jobs`.
 */
export const sideBySide = async (
  call: Call,
  stage: string,
  calls: readonly (readonly string[])[],
  jobs: number,
): Promise<void> => {
  const queue = calls.values();
  const ending = new AbortController();
  const signal = AbortSignal.any([call.signal, ending.signal]);
  let done = 0;
  const work = async (): Promise<void> => {
    for (const argv of queue) {
      if (signal.aborted) return;
      await inProcess(argv, 1, signal);
      call.progress({
        stage,
        done: ++done,
        total: calls.length,
        unit: 'runs',
        note: argv.find((word) => word.includes('/')),
      });
    }
  };
  const works = Array.from({ length: Math.min(jobs, calls.length) }, () =>
    work().catch((error: unknown) => ending.abort(error)),
  );
  await Promise.all(works);
  signal.throwIfAborted();
};
