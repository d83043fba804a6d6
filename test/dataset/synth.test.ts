import { execFile, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDataset } from '../../src/dataset/check.js';
import { openDataset } from '../../src/dataset/layout.js';
import { listNames } from '../../src/dataset/lists.js';
import { tileKey } from '../../src/dataset/patch.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { bandCentres, bandReflectance } from '../../src/dataset/synth/spectra/band-reflectance.js';
import { endmember, endmemberNames } from '../../src/dataset/synth/spectra/endmembers.js';
import { synthLists } from '../../src/dataset/synth/split.js';
import { synthesizeDataset } from '../../src/dataset/synth/synth.js';
import { drawTile, planTile } from '../../src/dataset/synth/tile.js';
import { digest } from '../../src/files.js';
import { dataOf, emptyFolder, faultsOf } from './dataset-on-disk.js';

const shape = { tiles: 6, patches: 4, size: 32, seed: 11 };
let root: string;
let made: string;
beforeAll(async () => {
  root = await emptyFolder();
  made = join(root, 'demo');
  await synthesizeDataset(made, { ...shape, version: 'test' });
});
afterAll(() => rm(root, { recursive: true }));

const digests = async (dir: string): Promise<Record<string, string>> => {
  const names = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = files
    .sort()
    .map(async (file) => [file.slice(dir.length), digest(await readFile(file))] as const);
  return Object.fromEntries(await Promise.all(pairs));
};

describe('the spectra and responses', () => {
  it('give the band centres and reflectances of their source', () => {
    // centres: the table of the source of the responses; reflectances: its 2.5 nm sums
    expect(bandCentres('sentinel-2a-msi').map((centre) => Number(centre.toFixed(1)))).toEqual([
      492.5, 559.8, 664.6, 832.8,
    ]);
    expect(bandCentres('gaofen-1-wfv3').map((centre) => Number(centre.toFixed(1)))).toEqual([
      486.2, 563.6, 665.2, 821.6,
    ]);
    expect(endmemberNames).toHaveLength(24);
    const soil = bandReflectance('sentinel-2a-msi', endmember('hyspex-12-bare-soil'));
    expect(soil.map((value) => Math.round(value * 1e4))).toEqual([1353, 2005, 2630, 3183]);
  });

  it('make Gaofen-1 see vegetation redder than Sentinel-2 does, as the red edge lies in its red band', () => {
    const crop = endmember('hyspex-01-dense-vegetation');
    const red = (sensor: Parameters<typeof bandReflectance>[0]): number => bandReflectance(sensor, crop)[2];
    for (const camera of ['gaofen-1-wfv1', 'gaofen-1-wfv2', 'gaofen-1-wfv3', 'gaofen-1-wfv4'] as const)
      expect(red(camera) - red('sentinel-2a-msi')).toBeGreaterThan(0.005);
  });
});

describe('synthesizeDataset', () => {
  it('makes a dataset without faults that says it is synthetic', async () => {
    const report = await checkDataset(made, dataOf());
    expect(report.faults).toEqual([]);
    expect(report.orphans).toEqual([]);
    expect(report.notes).toEqual([expect.stringContaining('synthetic')]);
    const record = JSON.parse(await readFile(join(made, 'SYNTHETIC.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(record).toMatchObject({ synthetic: true, version: 'test', ...shape });
    expect(record['tile']).toHaveLength(6);
  });

  it('splits as the paper does: no tile in train-val and test, blocks about half and half', async () => {
    const { lists } = await openDataset(made, dataOf());
    const tiles = (name: (typeof listNames)[number]): Set<string> => new Set(lists[name].map(tileKey));
    expect([...tiles('test')].some((tile) => tiles('train').has(tile) || tiles('val').has(tile))).toBe(false);
    expect(listNames.map((name) => lists[name].length)).toEqual([6, 6, 12]);
    // 12 × 12 patches: blocks of 4 × 4 go whole to one list
    const large = synthLists({ tiles: 5, patches: 144, size: 32, seed: 1 });
    const block = (id: string): string =>
      id.replace(/-(\d+)-(\d+)\.tif$/, (_, c, r) => `:${c >> 2}:${r >> 2}`);
    const val = new Set(large.val.map(block));
    expect(large.train.some((id) => val.has(block(id)))).toBe(false);
    expect(Math.abs(large.train.length - large.val.length)).toBeLessThanOrEqual(16);
  });

  it('sees the same ground on another day, through another air', () => {
    const plan = planTile(shape, 0);
    const [first, second] = [1, 2].map((day) => drawTile(shape, plan, day));
    expect(second.truth.shares).toEqual(first.truth.shares);
    expect(second.patches.map(({ cover }) => cover)).toEqual(first.patches.map(({ cover }) => cover));
    expect(new Set(first.patches.flatMap(({ cover }) => [...cover])).size).toBeGreaterThan(1);
    expect(second.truth.views.haze).not.toBe(first.truth.views.haze);
    expect(drawTile(shape, plan, 1)).toEqual(first);
  });

  it('makes the same bytes again, whatever the number of workers, and others for another seed', async () => {
    const first = await digests(made);
    const again = join(root, 'again');
    await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      `
      const { synthesizeDataset } = await import(${JSON.stringify(new URL('../../dist/dataset/synth/synth.js', import.meta.url).href)});
      await synthesizeDataset(${JSON.stringify(again)}, ${JSON.stringify({ ...shape, version: 'test', workers: 3 })});
    `,
    ]);
    expect(await digests(again)).toEqual(first);
    const [one, other] = [shape, { ...shape, seed: 12 }].map((p) => drawTile(p, planTile(p, 0)));
    expect(one.patches[0].source[0]).not.toEqual(other.patches[0].source[0]);
    // a tile does not depend on how many there are
    expect(drawTile({ ...shape, tiles: 99 }, planTile(shape, 0)).patches[0]).toEqual(one.patches[0]);
  });

  it('shows the same ground to both sensors', async () => {
    const { all } = await openDataset(made, dataOf());
    for (const patch of all) {
      const { source, target, mask, width, height } = await readPatch(patch, ['blue', 'green', 'red', 'nir']);
      const size = width * height;
      for (let band = 0; band < 4; band++) {
        let [n, x, y, xx, yy, xy] = [0, 0, 0, 0, 0, 0];
        for (let i = 0; i < size; i++) {
          if (mask[i] === 0) continue;
          const [a, b] = [source[band * size + i], target[band * size + i]];
          n++;
          x += a;
          y += b;
          xx += a * a;
          yy += b * b;
          xy += a * b;
        }
        expect(n).toBeGreaterThanOrEqual(0.3 * size);
        expect((n * xy - x * y) / Math.sqrt((n * xx - x * x) * (n * yy - y * y))).toBeGreaterThan(0.8);
        expect(x / n).toBeGreaterThan(100);
        expect(x / n).toBeLessThan(6000);
      }
    }
  });

  it('leaves a folder that holds something else alone', async () => {
    const other = join(root, 'other');
    await mkdir(other);
    await writeFile(join(other, 'thesis.txt'), 'years of work');
    for (const overwrite of [false, true])
      expect((await faultsOf(() => synthesizeDataset(other, { ...shape, overwrite })))[0]).toMatch(
        /holds something else/,
      );
    expect(await readdir(other)).toEqual(['thesis.txt']);
    expect((await faultsOf(() => synthesizeDataset(made, shape)))[0]).toMatch(/--overwrite/);
    const before = await digests(made);
    await synthesizeDataset(made, { ...shape, version: 'test', overwrite: true });
    expect(await digests(made)).toEqual(before);
  });

  it('refuses bad parameters all at once', async () => {
    const bad = { tiles: 2, patches: 0, size: 1.5, seed: -1 };
    expect(await faultsOf(() => synthesizeDataset(join(root, 'bad'), bad))).toHaveLength(4);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const stop = new AbortController();
    const target = join(root, 'interrupted');
    const progress = (): void => stop.abort(new Error('enough'));
    await expect(synthesizeDataset(target, { ...shape, progress, signal: stop.signal })).rejects.toThrow(
      'enough',
    );
    expect((await readdir(root)).filter((name) => name.includes('interrupted'))).toEqual([]);
  });

  it('clears away what a killed run left', async () => {
    const target = join(root, 'killed');
    const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, 'dataset', 'synth', target, '--tiles', '500'], {
      stdio: 'ignore',
    });
    const left = async (): Promise<string[]> =>
      (await readdir(root)).filter((name) => name.includes('killed'));
    while ((await left()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(await left()).toEqual([`.killed.${child.pid}.partial`]);
    await synthesizeDataset(target, { ...shape, tiles: 3 });
    expect(await left()).toEqual(['killed']);
  });
});
