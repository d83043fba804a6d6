import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from '../src/lock.js';

let folder: string;
let lock: string;
let children: ChildProcess[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-lock-'));
  lock = join(folder, 'lock');
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const program = async (): Promise<string> => {
  const path = join(folder, 'holder.mts');
  await writeFile(
    path,
    `import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { withLock } from ${JSON.stringify(fileURLToPath(new URL('../src/lock.ts', import.meta.url)))};
const [lock, log, ms] = process.argv.slice(2);
const say = (text) => appendFileSync(log, process.pid + ' ' + text + '\\n');
console.log('ready');
process.stdin.once('data', () => withLock(lock, async () => {
  say('in');
  await pause(Number(ms));
  say('out');
}, { onHeld: (owner) => say('waits for ' + owner) }).then(() => process.exit(0)));
`,
  );
  return path;
};

interface Holder {
  child: ChildProcess;
  begin: () => void;
  ended: Promise<unknown>;
}

/** Processes that are ready to take the lock the moment they are told to. */
const holders = async (count: number, ms: number, wrap: readonly string[] = []): Promise<Holder[]> => {
  const path = await program();
  return Promise.all(
    Array.from({ length: count }, async (): Promise<Holder> => {
      const words = [process.execPath, '--import', import.meta.resolve('jiti/register'), path];
      const [command, ...rest] = [...wrap, ...words, lock, join(folder, 'log'), String(ms)];
      const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(child);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      return { child, begin: () => child.stdin?.write('go\n'), ended };
    }),
  );
};

const log = async (): Promise<string[]> =>
  (await readFile(join(folder, 'log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

const until = async (holds: () => Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 20_000; !(await holds()); await pause(20))
    if (Date.now() > end) throw new Error(`it did not come true within 20 s: ${(await log()).join('; ')}`);
};

const left = async (): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name !== 'log' && name !== 'holder.mts');

const makeOld = (): Promise<void> => utimes(lock, new Date(0), new Date(0));

/** Takes the lock in this process, or says who holds it. */
const tryLock = (): Promise<string> =>
  withLock(lock, async () => 'taken', {
    onHeld: (owner) => {
      throw new Error(owner);
    },
  }).catch((error: Error) => error.message);

test('one call at a time; nothing is left', async () => {
  let inside = 0;
  const work = async (): Promise<void> => {
    expect(++inside).toBe(1);
    await pause(5);
    inside--;
  };
  await Promise.all(Array.from({ length: 6 }, () => withLock(lock, work, { onHeld: () => {} })));
  expect(await left()).toEqual([]);
});

test('a stopped owner keeps its lock, however old its file is', async () => {
  const [{ child, begin, ended }] = await holders(1, 300);
  begin();
  await until(async () => (await log()).length === 1);
  child.kill('SIGSTOP');
  await makeOld();
  expect(await tryLock()).toMatch(new RegExp(`^process ${child.pid} on `));
  child.kill('SIGCONT');
  await ended;
  expect(await left()).toEqual([]);
  expect(await tryLock()).toBe('taken');
});

test('of many that find a dead owner, one at a time goes in', async () => {
  const [{ child, begin }] = await holders(1, 60_000);
  begin();
  await until(async () => (await log()).length === 1);
  child.kill('SIGKILL');
  const many = await holders(5, 30);
  for (const one of many) one.begin();
  await Promise.all(many.map(({ ended }) => ended));
  const steps = (await log()).slice(1).filter((line) => !line.includes('waits'));
  expect(steps).toHaveLength(10);
  for (let k = 0; k < steps.length; k += 2)
    expect([steps[k], steps[k + 1]]).toEqual([
      expect.stringMatching(/ in$/),
      steps[k].replace(' in', ' out'),
    ]);
  expect(await left()).toEqual([]);
});

test('a successor that was killed before it came in is succeeded as well', async () => {
  const gone = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
  await withLock(
    lock,
    async () => {
      const living = JSON.parse(await readFile(lock, 'utf8')) as object;
      const dead = (token: string): string => JSON.stringify({ ...living, token, pid: Number(gone) });
      await writeFile(join(folder, 'other'), dead('aa'));
      await writeFile(join(folder, 'other.after-aa'), dead('bb'));
      await writeFile(join(folder, 'other.after-bb'), dead('cc'));
    },
    { onHeld: () => {} },
  );
  expect(await withLock(join(folder, 'other'), async () => 'taken', { onHeld: () => {} })).toBe('taken');
  expect(await left()).toEqual([]);
});

test('only the token of the owner releases; a later process with its pid is another', async () => {
  await withLock(
    lock,
    async () => {
      const own = JSON.parse(await readFile(lock, 'utf8')) as object;
      await writeFile(lock, JSON.stringify({ ...own, token: 'ff', began: '1' }));
    },
    { onHeld: () => {} },
  );
  // it named this living process, but one that began at another time
  expect(await left()).toEqual(['lock']);
  expect(await tryLock()).toBe('taken');
});

test.each([
  [
    'another machine',
    { boot: 'other', machine: 'other', host: 'far' },
    /^process \d+ on far, which cannot be seen from here: if it is gone, remove .*lock$/,
  ],
  ['another container, gone without a socket', { namespace: 'pid:[1]' }, /cannot be seen from here/],
  ['this machine before it was started anew', { boot: 'other' }, /^taken$/],
  ['what is no lock, and old', null, /^taken$/],
] as const)('an owner on %s', async (_, change, outcome) => {
  await withLock(
    lock,
    async () => {
      const own = JSON.parse(await readFile(lock, 'utf8')) as object;
      await writeFile(join(folder, 'copy'), change ? JSON.stringify({ ...own, token: 'ff', ...change }) : '');
    },
    { onHeld: () => {} },
  );
  await writeFile(lock, await readFile(join(folder, 'copy')));
  await makeOld();
  expect(await tryLock()).toMatch(outcome);
});

const canUnshare = ((): boolean => {
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!canUnshare)('a container: its living owner keeps the lock, a dead one does not', async () => {
  const [{ child, begin }] = await holders(1, 60_000, [
    'unshare',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ]);
  begin();
  await until(async () => (await log()).length === 1);
  expect(await tryLock()).toMatch(/^process \d+ on /);
  await makeOld();
  expect(await tryLock()).toMatch(/^process \d+ on /);
  child.kill('SIGKILL');
  await until(async () => (await tryLock()) === 'taken');
  expect(await left()).toEqual([]);
});

test('an interrupted wait ends, and leaves the lock to its owner', async () => {
  const controller = new AbortController();
  const inner = withLock(
    lock,
    async () => {
      const waiting = withLock(lock, async () => 'never', {
        onHeld: () => controller.abort(new Error('stop')),
        signal: controller.signal,
      });
      await expect(waiting).rejects.toThrow('stop');
      expect(await left()).toContain('lock');
    },
    { onHeld: () => {} },
  );
  await inner;
  expect(await left()).toEqual([]);
});
