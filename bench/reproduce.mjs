import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Seconds of `bandalign reproduce` from nothing: demo dataset, every row, tables and figures. Null where it fails. */
export const timeReproduce = (folder, say) => {
  say('reproduce');
  const place = (name) => join(folder, `reproduce-${name}`);
  const args = ['--data', place('data'), '--output-dir', place('runs'), '--results', place('results')];
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [program, 'reproduce', ...args, '--quiet'], {
    encoding: 'utf8',
  });
  if (status === 0) return (performance.now() - start) / 1000;
  say(`reproduce failed: ${stderr.trim()}`);
  return null;
};
