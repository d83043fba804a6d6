import { execFile } from 'node:child_process';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDataset } from '../../src/dataset/check.js';
import { projectedGeoreference } from '../../src/raster/georeference.js';
import { dataOf, emptyFolder, image, mask, writeLists, writePatch } from './dataset-on-disk.js';

const parity = new URL('../fixtures/parity/data', import.meta.url).pathname;
const ids = ['A/t_20200105-00-00.tif', 'A/t_20200105-00-01.tif', 'B/u_20200430-12-07.tif'];

let root: string;
beforeEach(async () => {
  root = await emptyFolder();
});
afterEach(() => rm(root, { recursive: true }));

describe('checkDataset', () => {
  it('finds nothing wrong with the parity fixture and counts it', async () => {
    const report = await checkDataset(parity, dataOf());
    expect(report).toMatchObject({ ok: true, faults: [], notes: [], orphans: [], skipped: [] });
    expect(
      report.groups.map(({ list, region, patches, read, tiles }) => [list, region, patches, read, tiles]),
    ).toEqual([
      ['train', 'North', 5, 5, 2],
      ['train', 'South', 3, 3, 1],
      ['val', 'North', 2, 2, 2],
      ['val', 'South', 1, 1, 1],
      ['test', 'North', 2, 2, 1],
      ['test', 'South', 2, 2, 1],
    ]);
    expect(report.pickles.map(({ names, missing }) => [names, missing])).toEqual([
      [15, 0],
      [5, 0],
    ]);
    expect(report.sizes).toEqual({ '36 × 40': 15 });
  });

  it('reports every fault, and what is odd beside it', async () => {
    await writePatch(root, ids[0], { GF1: image([1, 2, 3]) });
    await writePatch(root, ids[1], { mask: mask(0, { width: 7 }), S2: null });
    await writePatch(root, ids[2], { mask: mask(0) });
    await writePatch(root, 'B/lost_20200101-00-00.tif', { GF1: null, mask: null });
    await writeLists(root, { train: `${ids[0]}\n${ids[0]}`, val: ids[1], test: ids[2] });
    const report = await checkDataset(root, dataOf({ histograms: 'pickle' }));
    expect(report.ok).toBe(false);
    const lines = report.faults.map((fault) => fault.replaceAll(root, 'ROOT'));
    expect(lines).toEqual([
      `list: ROOT/divide/train.txt:2: ${ids[0]}; stands in line 1 already`,
      'list: ROOT/divide/val.txt:1; names ROOT/A/S2/t_20200105-00-01.tif, which is missing',
      'raster: ROOT/A/GF1/t_20200105-00-00.tif; 3 bands, it must have 4 (blue, green, red, nir)',
      'histograms: ROOT/Patch512Historam256-S2.pickle; missing, but data.histograms=pickle',
      'histograms: ROOT/tileHistoram256-S2.pickle; missing, but data.histograms=pickle',
    ]);
    expect(report.skipped).toEqual([ids[2]]);
    expect(report.orphans).toEqual([join(root, 'B/S2/lost_20200101-00-00.tif')]);
    expect(report.groups.map(({ patches, read, skipped }) => [patches, read, skipped])).toEqual([
      [1, 0, 0],
      [1, 0, 0],
      [1, 1, 1],
    ]);
  });

  it('finds each kind of planted fault, and names the file', async () => {
    const size = 30;
    const floats = (...values: number[]) =>
      image([1, 2, 3, 4], {
        bands: values.map((value, band) => new Float32Array(size).fill(value * (band + 1))),
      });
    const spoilt = image([1, 2, 3, 4], {
      bands: [1, 2, 3, 4].map((value) => {
        const band = new Float32Array(size).fill(1000 * value);
        band[7] = value === 3 ? Number.NaN : band[7];
        return band;
      }),
    });
    const elsewhere = { georeference: projectedGeoreference(32632, 500_000, 5_000_000, 16) };
    const planted: [name: string, files: Parameters<typeof writePatch>[2], found: RegExp][] = [
      [
        'place',
        { GF1: image([5, 6, 7, 8], elsewhere) },
        /GF1\/place_.*EPSG:32632.*EPSG:32631|EPSG:32631.*EPSG:32632/,
      ],
      [
        'shares',
        { S2: floats(0.1, 0.1, 0.1, 0.1) },
        /S2\/shares_.*; reflectance from 0 to 1, multiply it by 10000/,
      ],
      ['nan', { S2: spoilt }, /S2\/nan_.*; band red is NaN at column 1, row 1: mask it/],
      ['large', { GF1: floats(40_000, 1, 1, 1) }, /GF1\/large_.*; band blue is 40000, beyond int16,/],
      ['bands', { S2: image([1, 2, 3]) }, /S2\/bands_.*; 3 bands, it must have 4/],
      ['mask', { mask: mask(1, { height: 9 }) }, /mask\/mask_.*; 6 × 9 pixels, .* has 6 × 5/],
      [
        'moved',
        { mask: mask(1, { georeference: projectedGeoreference(32631, 500_016, 5_000_000, 16) }) },
        /mask\/moved_/,
      ],
    ];
    const id = (name: string): string => `A/${name}_20200105-00-00.tif`;
    for (const [name, files] of planted) await writePatch(root, id(name), files);
    await writePatch(root, ids[0]);
    const train = [...planted.map(([name]) => id(name)), ids[0]].join('\n');
    await writeLists(root, { train, val: ids[0], test: ids[0] });
    const { faults, notes, groups } = await checkDataset(root, dataOf());
    for (const [, , found] of planted) expect(faults).toContainEqual(expect.stringMatching(found));
    expect(faults).toHaveLength(planted.length);
    expect(groups[0]).toMatchObject({ patches: planted.length + 1, read: 1 });
    // a patch in two lists leaks
    expect(notes).toContain(`${ids[0]} stands in train.txt and in val.txt`);
    expect(notes).toContain(`${ids[0]} stands in train.txt and in test.txt`);
  });

  it('tells of pickles that are damaged or lack names', async () => {
    await cp(parity, root, { recursive: true });
    await writeFile(join(root, 'Patch512Historam256-S2.pickle'), 'no pickle');
    expect((await checkDataset(root, dataOf())).faults).toHaveLength(1);
    const id = 'North/99XXX_20200101-00-00.tif';
    await writePatch(root, id, {});
    await writeLists(root, { test: id });
    const report = await checkDataset(root, dataOf({ histograms: 'pickle' }));
    expect(report.faults.at(-1)).toMatch(/tileHistoram256-S2.pickle; lacks 99XXX_20200101/);
    expect(report.notes).toContain('patches of 2 sizes: 36 × 40, 6 × 5');
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(checkDataset(parity, dataOf(), { signal })).rejects.toThrow('enough');
  });
});

describe('bandalign dataset check', () => {
  const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
  const run = (...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    promisify(execFile)(process.execPath, [main, 'dataset', 'check', ...words]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );

  it('prints a table and exits 0, or the faults and exits 2', async () => {
    const good = await run(parity);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/^list\s+region/);
    expect(good.stdout).toMatch(/no faults\n$/);
    await writePatch(root, ids[0], { mask: mask(1, { width: 7 }) });
    await writeLists(root, { train: ids[0], val: ids[0], test: ids[0] });
    const bad = await run(root, '--quiet');
    expect(bad.code).toBe(2);
    expect(bad.stderr).toBe(
      `bandalign: raster: ${root}/A/mask/t_20200105-00-00.tif; 7 × 5 pixels, ${root}/A/S2/t_20200105-00-00.tif has 6 × 5\n`,
    );
    const asJson = await run(root, '--json', '--quiet');
    expect(asJson.code).toBe(2);
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      ok: false,
      faults: [expect.stringContaining('7 × 5')],
    });
  });
});
