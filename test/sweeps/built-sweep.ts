import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const data = join(root, 'test/fixtures/parity/data');
const main = join(root, 'dist/cli/main.js');

/** Sweeps start processes of what was compiled: tests of them refuse a build older than its sources. */
export const requireBuild = (): void => {
  for (const folder of ['sweeps', 'sweeps/slurm', 'evaluation', 'training'])
    for (const name of readdirSync(join(root, 'src', folder)).filter((file) => file.endsWith('.ts'))) {
      const built = join(root, 'dist', folder, name.replace(/\.ts$/, '.js'));
      if (!existsSync(built) || statSync(built).mtimeMs < statSync(join(root, 'src', folder, name)).mtimeMs)
        throw new Error(`${built} is older than its source; run \`npm run build\` before the tests`);
    }
};

/** A working folder with a small sweep in it: two references and a UNet-LUT with and without TV, two seeds. */
export const sweepPlace = async (
  sweep = `{
    name: 'small',
    base: { model: { kind: 'unet-lut' }, train: { epochs: 3, checkpointEvery: 1, validateEvery: 1 } },
    grid: { tv: { off: {}, on: { loss: { tv: 0.01, monotonicity: 0.01 } } } },
    seeds: [1, 2],
    references: [{ name: 'identity', model: { kind: 'identity' } }, { name: 'global-lut', model: { kind: 'global-lut' } }],
    baseline: 'global-lut',
  }`,
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-sweep-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  await writeFile(join(folder, 'small.ts'), `export default ${sweep};\n`);
  return folder;
};

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs `bandalign` in a folder. */
export const bandalign = (
  folder: string,
  words: readonly string[],
  env: Record<string, string> = {},
): {
  pid: number;
  kill: (signal: NodeJS.Signals) => void;
  /** What it has said on stderr so far. */
  said: () => string;
  ended: Promise<Ended>;
} => {
  const { MLFLOW_TRACKING_URI: _, ...own } = process.env;
  const child = spawn(process.execPath, [main, ...words], {
    cwd: folder,
    env: { ...own, BANDALIGN_CACHE: join(folder, 'cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return {
    pid: child.pid!,
    said: () => stderr,
    kill: (signal) => void child.kill(signal),
    ended: new Promise((resolve) =>
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
    ),
  };
};

export const sweepWords = (...more: string[]): string[] => ['sweep', 'small.ts', '--data', data, ...more];
