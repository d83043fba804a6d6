import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readers } from './readers.js';
import type { Outcome } from './worker.js';

/**
 * Feeds mutated files to every reader, in a process of its own, and tells what none may do: crash, take 2 s of processor
 * time or 512 MB more of memory, pass on control bytes, accept damaged data. The same numbers make the same files.
 *
 *   npm run fuzz -- --seconds 60 [--from NUMBER] [--reader NAME]
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    minutes: { type: 'string' },
    from: { type: 'string', default: '0' },
    reader: { type: 'string' },
  },
});
const seconds = values.minutes === undefined ? Number(values.seconds) : 60 * Number(values.minutes);
const names = values.reader === undefined ? Object.keys(readers) : [values.reader];
const mostSeconds = 2;
const mostBytes = 512e6;

/** Processor time of a process, s; on other systems than Linux the clock's. */
const usedSeconds = (pid: number): number => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return performance.now() / 1000;
  }
};

const start = async (): Promise<ChildProcess> => {
  const child = fork(new URL('./worker.ts', import.meta.url));
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return child;
};

let child = await start();
let base: number | undefined;
/** Gives one input to the worker; a worker that hangs or dies is replaced. */
const feed = async (reader: string, number: number): Promise<string | null> => {
  const before = usedSeconds(child.pid!);
  let timer: NodeJS.Timeout | undefined;
  const outcome = await new Promise<Outcome | string>((resolve) => {
    child.once('message', (message: Outcome) => resolve(message));
    child.once('exit', (code, signal) => resolve(`the process ended (${signal ?? code})`));
    timer = setInterval(() => {
      if (usedSeconds(child.pid!) - before > mostSeconds) resolve(`more than ${mostSeconds} s`);
    }, 200);
    child.send({ reader, number });
  });
  clearInterval(timer);
  child.removeAllListeners();
  const used = usedSeconds(child.pid!) - before;
  if (typeof outcome !== 'string') base ??= outcome.maxRss;
  const grown = typeof outcome === 'string' || base === undefined ? 0 : outcome.maxRss - base;
  if (typeof outcome !== 'string' && grown <= mostBytes && used <= mostSeconds)
    return outcome.wrong && `${outcome.wrong}\n  kept as ${outcome.kept}`;
  child.kill('SIGKILL');
  child = await start();
  base = undefined;
  if (typeof outcome === 'string') return outcome;
  return grown > mostBytes ? `${Math.round(grown / 1e6)} MB more` : `${used.toFixed(1)} s`;
};

const end = performance.now() + 1000 * seconds;
const counts = Object.fromEntries(names.map((name) => [name, 0]));
const wrong: string[] = [];
for (let number = Number(values.from); performance.now() < end; number++)
  for (const name of names) {
    const told = await feed(name, number);
    counts[name]++;
    if (told === null) continue;
    wrong.push(name);
    console.log(`${name} ${number}: ${told}`);
  }
child.disconnect();
const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
console.log(
  `${total} files (${names.map((name) => `${name} ${counts[name]}`).join(', ')}): ${wrong.length} wrong`,
);
process.exitCode = wrong.length > 0 ? 1 : 0;
