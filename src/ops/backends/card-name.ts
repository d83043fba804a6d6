import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The names of NVIDIA's cards in the words of their driver; null where its `nvidia-smi` does not answer. */
export const nvidiaCards = (): Promise<string | null> =>
  promisify(execFile)('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], { timeout: 10_000 }).then(
    ({ stdout }) => stdout.trim().split('\n').join(', '),
    () => null,
  );
