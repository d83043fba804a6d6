import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder that is gone when the test is. */
export const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

/** Warnings as they come. */
export const listen = (): { heard: string[]; onWarning: (text: string) => void } => {
  const heard: string[] = [];
  return { heard, onWarning: (text) => void heard.push(text) };
};

/** Runs a module in a process of its own; `output` grows as it prints. */
export const startProgram = (
  source: string,
  env: Record<string, string> = {},
): { child: ChildProcess; output: () => string; ended: Promise<number | null> } => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  child.stderr.on('data', (data) => {
    text += data;
  });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, output: () => text, ended };
};

/** Waits until `holds` is true. */
export const until = async (holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> => {
  const end = Date.now() + 1000 * seconds;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it did not come true within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
