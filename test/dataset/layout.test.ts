import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/dataset/layout.js';
import { parseListLine } from '../../src/dataset/lists.js';
import { dataOf, emptyFolder, faultsOf, image, writeLists, writePatch } from './dataset-on-disk.js';

const ids = ['A/31TAA_20200105-00-00.tif', 'A/31TAB_20200105-00-01.tif', 'B/x_y_20200430-12-07.tif'];

let root: string;
beforeEach(async () => {
  root = await emptyFolder();
});
afterEach(() => rm(root, { recursive: true }));

const writeAll = async (): Promise<void> => {
  for (const id of ids) await writePatch(root, id);
};

describe('parseListLine', () => {
  it('takes the paper’s names apart', () => {
    expect(parseListLine('Brazil/21LZJ_20190906-00-12.tif', '')).toMatchObject({
      region: 'Brazil',
      file: '21LZJ_20190906-00-12.tif',
      tile: '21LZJ',
      date: '20190906',
    });
    expect(parseListLine(ids[2], '')).toMatchObject({ tile: 'x_y', date: '20200430' });
  });

  it.each([
    'file_20200101-00-00.tif',
    'A/file.tif',
    'A/t_20200101-0.tif',
    '../A/t_20200101-00-00.tif',
    '/A/t_20200101-00-00.tif',
    'A\\t_20200101-00-00.tif',
    'A/t_20200101-00-00.png',
  ])('refuses %s', (line) => expect(parseListLine(line, '')).toBeNull());
});

describe('openDataset', () => {
  it('reads lists with and without a final newline, with CRLF, a byte order mark and blank lines', async () => {
    await writeAll();
    await writeLists(root, { train: `\uFEFF${ids[0]}\r\n\r\n`, val: ids[1], test: `\n${ids[2]}\n` });
    const { lists, all, notes } = await openDataset(root, dataOf());
    expect(lists.train.map(({ id }) => id)).toEqual([ids[0]]);
    expect(lists.test[0]).toMatchObject({ region: 'B', tile: 'x_y', date: '20200430' });
    expect(lists.val[0].target.path).toBe(join(root, 'A', 'GF1', '31TAB_20200105-00-01.tif'));
    expect(all.map(({ id }) => id)).toEqual(ids);
    expect(notes).toEqual([]);
  });

  it('tells every fault of every list at once', async () => {
    await writeAll();
    await rm(join(root, 'A', 'GF1', '31TAA_20200105-00-00.tif'));
    await writeLists(root, { train: `${ids[0]}\nnonsense\n${ids[0]}\n`, test: '\n\n' });
    const faults = await faultsOf(() => openDataset(root, dataOf()));
    expect(faults.map((fault) => fault.replaceAll(root, 'ROOT'))).toMatchInlineSnapshot(`
      [
        "list: ROOT/divide/train.txt:2: nonsense; not Region/tile_YYYYMMDD-col-row.tif, mend the line",
        "list: ROOT/divide/train.txt:3: A/31TAA_20200105-00-00.tif; stands in line 1 already",
        "list: ROOT/divide/val.txt; no such file, give the folder of the lists with --divide",
        "list: ROOT/divide/test.txt; empty, it must name a patch",
        "list: ROOT/divide/train.txt:1; names ROOT/A/GF1/31TAA_20200105-00-00.tif, which is missing",
      ]
    `);
  });

  it('asks for UTF-8 in a line, and shows no bytes of another coding', async () => {
    await writeAll();
    await writeLists(root, { train: ids[0], val: ids[1], test: ids[2] });
    await writeFile(join(root, 'divide/test.txt'), Buffer.from(`\uFEFF${ids[2]}\r\n`, 'utf16le'));
    expect(await faultsOf(() => openDataset(root, dataOf()))).toEqual([
      `list: ${join(root, 'divide/test.txt')}; not UTF-8 text, save it as UTF-8`,
    ]);
  });

  it('names a folder that is missing once, not its thousand files', async () => {
    await writeAll();
    await rm(join(root, 'B', 'mask'), { recursive: true });
    await writeLists(root, { train: ids[0], val: ids[1], test: ids[2] });
    const faults = await faultsOf(() => openDataset(root, dataOf()));
    expect(faults).toEqual([
      `folder: ${join(root, 'B', 'mask')}; missing, 1 lines of the lists name files in it`,
    ]);
  });

  it('notes patches that stand in two lists and counts them once', async () => {
    await writeAll();
    await writeLists(root, { train: ids[0], val: ids[1], test: ids[1] });
    const { all, notes } = await openDataset(root, dataOf());
    expect(all).toHaveLength(2);
    expect(notes).toEqual(['1 patches stand in val.txt and in test.txt: scores will flatter']);
  });

  it('takes other folders and other lists', async () => {
    await writePatch(root, ids[0]);
    await mkdir(join(root, 'elsewhere'));
    for (const name of ['train', 'val', 'test'])
      await writeFile(join(root, 'elsewhere', `${name}.txt`), ids[0]);
    const data = dataOf({ folders: { source: 'GF1', target: 'S2' } });
    const { lists } = await openDataset(root, data, { divide: join(root, 'elsewhere') });
    expect(lists.train[0].source.path).toContain('/GF1/');
  });

  it('says what it looked for where there is no dataset', async () => {
    expect(await faultsOf(() => openDataset(join(root, 'absent'), dataOf()))).toEqual([
      `data: ${join(root, 'absent')}; no such folder`,
    ]);
    await writePatch(root, ids[0], { mask: null });
    await writeFile(join(root, 'one.tif'), '');
    await writeFile(join(root, 'two.tif'), '');
    const [fault] = await faultsOf(() => openDataset(root, dataOf()));
    expect(fault).toContain(`no lists in ${join(root, 'divide')}`);
    expect(fault).toContain('--set data.pair.source=one.tif --set data.pair.target=two.tif');
  });

  it('reads 17 000 lines in well under a second', async () => {
    const lines = Array.from(
      { length: 17_000 },
      (_, i) => `A/T${Math.floor(i / 100)}_20200105-${i % 100}-00.tif`,
    );
    for (const folder of ['S2', 'GF1', 'mask']) await mkdir(join(root, 'A', folder), { recursive: true });
    await writeLists(root, {
      train: lines.slice(0, 5000).join('\n'),
      val: lines.slice(5000, 9000).join('\n'),
      test: lines.slice(9000).join('\n'),
    });
    const start = performance.now();
    // none of the files is there: the lists are read and the folders listed all the same
    const faults = await faultsOf(() => openDataset(root, dataOf()));
    expect(faults).toHaveLength(3 * 21);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

const paperSplit = new URL('../../../shared/data/paper-split', import.meta.url).pathname;

describe.skipIf(!existsSync(paperSplit))('the published lists (shared/data/paper-split)', () => {
  it('name the paper’s 16 915 patches', async () => {
    const { readLists } = await import('../../src/dataset/lists.js');
    const { lists, faults } = await readLists(paperSplit);
    expect(faults).toEqual([]);
    expect([lists.train.length, lists.val.length, lists.test.length]).toEqual([4383, 4111, 8421]);
    const inRegion = (name: string): number => lists.test.filter(({ region }) => region === name).length;
    expect(['Brazil', 'France', 'Loess'].map(inRegion)).toEqual([841, 4704, 2876]);
  });
});

describe('a pair of rasters', () => {
  const shape = { width: 30, height: 20, georeference: null };
  const pair = { source: 's.tif', target: 't.tif' };

  it('is cut into whole patches, columns of which are tiles', async () => {
    const { writeGeoTiff } = await import('../../src/raster/write-geotiff.js');
    await writeGeoTiff(join(root, 's.tif'), image([1, 2, 3, 4], shape));
    await writeGeoTiff(join(root, 't.tif'), image([1, 2, 3, 4], shape));
    const open = (patch: [number, number], more = {}) =>
      openDataset(root, dataOf({ pair: { ...pair, patch, ...more } }));
    const five = await open([6, 10]);
    expect(five.all).toHaveLength(10);
    expect(new Set(five.all.map(({ tile }) => tile)).size).toBe(5);
    expect([five.lists.train, five.lists.val, five.lists.test].map((list) => list.length)).toEqual([4, 2, 4]);
    // no tile is in two lists, and the split is the same every time
    expect((await open([6, 10])).lists).toEqual(five.lists);
    expect(five.all.find(({ id }) => id === 'pair/c04-04-01')?.source.window).toEqual([24, 10, 6, 10]);
    // two columns only: then every patch is a tile
    expect(new Set((await open([13, 9])).all.map(({ tile }) => tile)).size).toBe(4);
    expect((await open([13, 9])).notes).toEqual(['132 pixels at the edges fill no patch and are not used']);
    expect((await faultsOf(() => open([512, 512])))[0]).toMatch(/data.pair.patch: 512, 512; larger than/);
    expect((await faultsOf(() => open([30, 20])))[0]).toMatch(/1 tiles/);
    expect(await faultsOf(() => open([6, 10], { bands: [1, 2, 9] }))).toHaveLength(3);
  });

  it('must lie on one grid', async () => {
    const { writeGeoTiff } = await import('../../src/raster/write-geotiff.js');
    await writeGeoTiff(join(root, 's.tif'), image([1, 2, 3, 4], shape));
    await writeGeoTiff(join(root, 't.tif'), image([1, 2, 3], { ...shape, width: 29 }));
    const faults = await faultsOf(() => openDataset(root, dataOf({ pair: { ...pair, patch: [6, 10] } })));
    expect(faults).toHaveLength(2);
    expect(faults[0]).toMatch(/29 × 20 pixels.*30 × 20/);
    expect(faults[1]).toMatch(/3 bands/);
  });
});
