import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const weights = here('../fixtures/parity/reference/epochs_0.pth');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-apply-'));
  const band = (k: number) =>
    Uint16Array.from({ length: 64 * 48 }, (_, i) => 1300 + 300 * k + ((i * 7) % 900));
  const bands = [1, 2, 3, 8].map(band);
  await writeGeoTiff(join(folder, 'scene.tif'), { width: 64, height: 48, bands, nodata: 0 });
});
afterAll(() => rmSync(folder, { recursive: true }));

const apply = (...args: string[]): { status: number | null; stdout: string; stderr: string } => {
  // `npm test` builds first
  const main = here('../../dist/cli/main.js');
  return spawnSync(process.execPath, [main, 'apply', ...args], { cwd: folder, encoding: 'utf8' });
};

test('a scene with weights of the original and an offset that is negative', () => {
  const { status, stdout, stderr } = apply(
    ...[
      'scene.tif',
      '--weights',
      weights,
      '--out',
      'out/a.tif',
      '--boa-offset',
      '-1000',
      '--json',
      '--quiet',
    ],
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const result = JSON.parse(stdout) as { width: number; quality: { bands: { before: { min: number } }[] } };
  expect(result.width).toBe(64);
  expect(result.quality.bands[0].before.min).toBe(600);
  expect(existsSync(join(folder, 'out/a.json'))).toBe(true);
});

test('a bad call: every fault, a line each, exit 2', () => {
  const { status, stdout, stderr } = apply('--bands', 'x', '--nodata', 'y', '--weights', weights);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr.trim().split('\n')).toEqual([
    'bandalign: --bands: x; integers with commas between, such as 1,2,3',
    'bandalign: --nodata: y; a number',
    'bandalign: --out: none; give a name that ends in .tif',
    'bandalign: scene: none; give a file, a file per band, a folder or --list',
  ]);
});

test('a list: a line for each scene, exit 1 when one failed, finished ones kept', () => {
  writeFileSync(join(folder, 'scenes.txt'), 'scene.tif\nnone.tif\n');
  const call = [
    '--list',
    'scenes.txt',
    '--weights',
    weights,
    '--out',
    'many',
    '--boa-offset',
    '0',
    '--quiet',
  ];
  const first = apply(...call);
  expect(first.status).toBe(1);
  expect(first.stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^done {4}scene.tif {2}many\/scene_aligned.tif {2}\d/),
    expect.stringMatching(/^failed {2}none.tif {2}raster: none.tif; no such file/),
  ]);
  expect(apply(...call).stdout).toMatch(/^kept {4}scene.tif/);
});
