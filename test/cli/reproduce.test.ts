import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** A folder of a test's own, and the program called in it. */
const emptyFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'bandalign-reproduce-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bandalign = (...words: string[]) =>
    spawnSync(process.execPath, [program, ...words, '--quiet'], { cwd: folder, encoding: 'utf8' });
  return { folder, bandalign };
};

test('reproduce makes every row, table and figure, from any folder, in the folders it is given', {
  timeout: 240_000,
}, () => {
  const { folder, bandalign } = emptyFolder();
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

test('reproduce --full makes tables of the sweeps that are there, and says what is not made yet', {
  timeout: 120_000,
}, () => {
  const { folder, bandalign } = emptyFolder();
  const page = (): string => readFileSync(join(folder, 'results/full/README.md'), 'utf8');

  const nothing = bandalign('reproduce', '--full', '--minutes', '0', '--json');
  expect(nothing.status, nothing.stderr).toBe(0);
  const { sweeps } = JSON.parse(nothing.stdout) as { sweeps: { name: string; runs: number }[] };
  expect(sweeps.find(({ name }) => name === 'full')?.runs).toBe(73);
  expect(page()).toMatch(/\| full \| 0 \| 73 \|/);

  bandalign('dataset', 'synth', 'data', '--tiles', '24', '--patches', '2', '--size', '16');
  writeFileSync(
    join(folder, 'seed.ts'),
    `import { defineSweep } from 'bandalign';
    export default defineSweep({
      name: 'seed-demo',
      base: 'demo/recommended',
      references: ['demo/global-lut', 'demo/kernel-linear'],
      baseline: 'kernel-linear',
    });`,
  );
  const swept = bandalign('sweep', 'seed.ts', '--data', 'data', '--draws', '100');
  expect(swept.status, swept.stderr).toBe(0);
  expect(bandalign('reproduce', '--full', '--minutes', '0').status).toBe(0);
  expect(page()).toContain('| seed-demo | 3 | 12 |');
  expect(page()).toMatch(/[1-9]\d* runs are not made yet: .*`npx bandalign reproduce --full` goes on/);
  expect(rowsOf(readFileSync(join(folder, 'results/full/seeds.csv'), 'utf8'))).toEqual(['demo']);
  expect(rowsOf(readFileSync(join(folder, 'results/full/calibration.csv'), 'utf8'))).toEqual(['seed-demo']);

  const refused = bandalign('reproduce', '--minutes', '5');
  expect([refused.status, refused.stderr]).toEqual([2, 'bandalign: --minutes: 5; only with --full\n']);
});
