import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const rowsOf = (csv: string): string[] =>
  csv
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]);

test('reproduce makes every row, table and figure, from any folder, in the folders it is given', {
  timeout: 240_000,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bandalign-reproduce-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bandalign = (...words: string[]) =>
    spawnSync(process.execPath, [program, ...words, '--quiet'], { cwd: folder, encoding: 'utf8' });
  const drawn = bandalign('dataset', 'synth', 'data', '--tiles', '8', '--patches', '1', '--size', '16');
  expect(drawn.status, drawn.stderr).toBe(0);
  const small = ['train.epochs=1', 'model.unet.width=4', 'model.unet.depth=2'];
  const sets = small.flatMap((word) => ['--set', word]);
  const places = ['--data', 'data', '--output-dir', 'runs', '--results', 'tables'];
  const { status, stderr, stdout } = bandalign('reproduce', '--no-notebooks', '--json', ...places, ...sets);
  expect(status, stderr).toBe(0);
  const { seconds, runs } = JSON.parse(stdout) as { seconds: number; runs: { tag: string }[] };
  expect(seconds).toBeGreaterThan(0);
  expect(readdirSync(folder).sort()).toEqual(['.bandalign', 'data', 'runs', 'tables']);
  const tags = runs.map(({ tag }) => tag);
  expect(readdirSync(join(folder, 'runs')).sort()).toEqual([...tags, 'ablation'].sort());
  const table = (name: string): string => readFileSync(join(folder, 'tables', name), 'utf8');
  expect(rowsOf(table('comparison.csv'))).toEqual(tags);
  expect(rowsOf(table('ablation.csv'))).toHaveLength(18);
  const page = table('index.html');
  for (const figure of ['before-after', 'loss-curves', 'stated-error', 'tile-gain', 'tile-luts']) {
    expect(table(`${figure}.svg`)).toContain('<svg');
    expect(page).toContain(`src="${figure}.svg"`);
  }
});
