import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer_torch.py', import.meta.url));

/**
 * Starts bench/peer_torch.py; null where there is no Python with PyTorch, GDAL (not with `raw`) and NumPy. The interpreter is
 * $BENCH_PYTHON, else /usr/bin/python3, where Debian's packages are.
 */
export const startPeer = async (onMissing, { raw = false } = {}) => {
  const python = process.env.BENCH_PYTHON ?? '/usr/bin/python3';
  const child = spawn(python, ['-u', script], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors = `${errors}${text}`.slice(-2000);
  });
  let waiting = null;
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', () => resolve(errors.trim().split('\n').at(-1) ?? 'it ended'));
  });
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    waiting?.(JSON.parse(line));
    waiting = null;
  });
  const ask = async (request) => {
    const answer = new Promise((resolve) => {
      waiting = resolve;
    });
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const first = await Promise.race([answer, ended]);
    if (typeof first === 'string') throw new Error(`peer: ${first}`);
    return first;
  };
  /** Ends it, and waits until it has gone. */
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  try {
    return { python, ...(await ask({ do: 'hello', raw })), ask, close };
  } catch (error) {
    onMissing(
      `no peer: ${python} has no PyTorch with GDAL (${error.message.replace('peer: ', '')}); install Debian's python3-torch and python3-gdal, or set BENCH_PYTHON`,
    );
    return null;
  }
};
