import { fileURLToPath } from 'node:url';

/** What starts another process of the program that runs now, built or from source, with some words. */
export const workerCommand = (words: readonly string[]): { program: string; words: string[] } => {
  const source = import.meta.url.endsWith('.ts');
  const main = fileURLToPath(new URL(`../cli/main.${source ? 'ts' : 'js'}`, import.meta.url));
  return {
    program: process.execPath,
    words: [...(source ? ['--import', import.meta.resolve('jiti/register')] : []), main, ...words],
  };
};
