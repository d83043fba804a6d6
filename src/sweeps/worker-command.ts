import { fileURLToPath } from 'node:url';

/** The words that start a process for trials of a manifest: the program that runs now, built or from source. */
export const workerCommand = (
  manifest: string,
  indices: readonly number[],
  { track }: { track: boolean },
): { program: string; words: string[] } => {
  const source = import.meta.url.endsWith('.ts');
  const main = fileURLToPath(new URL(`../cli/main.${source ? 'ts' : 'js'}`, import.meta.url));
  return {
    program: process.execPath,
    words: [
      ...(source ? ['--import', import.meta.resolve('jiti/register')] : []),
      main,
      'run-trial',
      '--manifest',
      manifest,
      ...indices.flatMap((index) => ['--index', String(index)]),
      ...(track ? [] : ['--no-track']),
    ],
  };
};
