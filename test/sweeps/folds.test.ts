import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bandalign, requireBuild, root, sweepPlace } from './built-sweep.js';

requireBuild();

interface Tile {
  split: string;
  tile: string;
  region: string;
  bands: { n: number; absolute: number }[];
}

it('leaves one region out after the other, pools their tiles in one row, and says which regions no fold tests', {
  timeout: 120_000,
}, async () => {
  const folder = await sweepPlace(`{
    name: 'regions',
    base: { model: { kind: 'linear' }, split: { by: 'site' } },
    grid: { 'split.fold': [0, 1, 2] },
    references: [{ name: 'identity', model: { kind: 'identity' } }],
    baseline: 'identity',
  }`);
  const size = ['--tiles', '24', '--patches', '1', '--size', '16'];
  const drawn = spawnSync(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'dataset', 'synth', join(folder, 'four'), ...size, '--quiet'],
    { encoding: 'utf8' },
  );
  expect(drawn.status, drawn.stderr).toBe(0);
  const words = ['sweep', 'small.ts', '--data', 'four', '--jobs', '2', '--json'];
  const { code, stdout, stderr } = await bandalign(folder, words).ended;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(
    "split.by=site: 1 of 4 are in no test (SynthSavanna); name every fold in the sweep's grid to have them scored",
  );
  const { finished } = JSON.parse(stdout) as { finished: string[] };
  expect(finished).toHaveLength(6);
  const tilesOf = async (tag: string): Promise<Tile[]> =>
    (await readFile(join(folder, 'outputs', tag, 'tiles.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Tile);
  const tested = await Promise.all(
    [0, 1, 2].map(async (fold) => {
      const tiles = await tilesOf(`regions/experiment-f${fold}`);
      const of = (split: string): string[] => [
        ...new Set(tiles.filter((one) => one.split === split).map(({ region }) => region)),
      ];
      expect([of('test').length, of('val').length]).toEqual([1, 1]);
      expect(of('val')).not.toEqual(of('test'));
      return tiles.filter(({ split }) => split === 'test');
    }),
  );
  expect(tested.map(([{ region }]) => region)).toEqual(['SynthDryland', 'SynthHighland', 'SynthPlain']);
  const compared = await bandalign(folder, [
    'runs',
    'compare',
    'regions',
    '--metric',
    'mae',
    '--format',
    'csv',
  ]).ended;
  expect(compared.code, compared.stderr).toBe(0);
  const linear = compared.stdout.split('\n').find((line) => line.startsWith('experiment,'))!;
  const sums = tested.flat().map(({ bands: [{ n, absolute }] }) => ({ n, absolute }));
  const total = (key: 'n' | 'absolute'): number => sums.reduce((sum, one) => sum + one[key], 0);
  expect(Number(linear.split(',')[2])).toBeCloseTo(total('absolute') / total('n'), 9);
  const table = await readFile(join(folder, 'results', 'regions.md'), 'utf8');
  expect(table).toContain(`of ${tested.flat().length} test tiles`);
});
