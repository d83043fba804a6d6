import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { histogram } from '../../src/dataset/histogram.js';
import { readHistogramPickle } from '../../src/dataset/histogram-pickle.js';
import { patchHistograms, tileHistograms } from '../../src/dataset/histogram-source.js';
import { openDataset } from '../../src/dataset/layout.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { buildTable, type StatisticsTable } from '../../src/dataset/statistics-table.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const parity = here('../fixtures/parity/data');
const { data } = resolveExperiment({});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-pickle-'));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, ...parts: (string | number[])[]): Promise<string> => {
  const path = join(folder, name);
  const bytes = parts.map((part) =>
    typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part),
  );
  await writeFile(path, Buffer.concat(bytes));
  return path;
};

const faultsOf = async (promise: Promise<unknown>): Promise<readonly string[]> => {
  const error = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(Fault);
  return (error as Fault).faults;
};

/** A dictionary {name: int64 array [1, 2]}, protocol 2. */
const array = (first: number, second: number): string =>
  `cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02i1K\x00K\x01\x87R` +
  `(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02${String.fromCharCode(first & 255, second & 255)}tb`;

describe('readHistogramPickle', () => {
  test('gives counts by name, and only those wanted', async () => {
    const path = await write('ok.pickle', '\x80\x02}', `(U\x01a${array(1, 2)}U\x01b${array(3, 4)}u.`);
    const all = await readHistogramPickle(path, 1, 2);
    expect([...all].map(([name, counts]) => [name, ...counts])).toEqual([
      ['a', 1, 2],
      ['b', 3, 4],
    ]);
    expect([...(await readHistogramPickle(path, 1, 2, new Set(['b']))).keys()]).toEqual(['b']);
  });

  test('reports every bad entry', async () => {
    const path = await write(
      'bad.pickle',
      '\x80\x02}',
      `(U\x01a${array(1, 2)}U\x01bK\x05U\x01c${array(-1, 4)}K\x07${array(1, 1)}u.`,
    );
    const faults = await faultsOf(readHistogramPickle(path, 1, 2));
    expect(faults).toEqual([
      `histograms: ${path} has b as no array; [1, 2] is needed`,
      `histograms: ${path} has c with counts that are negative or not finite; count it anew`,
      `histograms: ${path} has a name that is no text; names of patches or tiles are needed`,
    ]);
    expect((await faultsOf(readHistogramPickle(path, 2, 2))).length).toBe(4);
  });

  test('refuses a file that is missing, empty, no dictionary, or one array named without end', async () => {
    expect((await faultsOf(readHistogramPickle(join(folder, 'none'), 1, 2)))[0]).toMatch(/cannot be read/);
    expect((await faultsOf(readHistogramPickle(await write('empty', ''), 1, 2)))[0]).toMatch(
      /ends at byte 0/,
    );
    expect((await faultsOf(readHistogramPickle(await write('list', '].'), 1, 2)))[0]).toMatch(
      /no dictionary/,
    );
    // one megabyte of data, rebuilt again and again from the memo
    const size = 1_000_000;
    const length = [size & 255, (size >> 8) & 255, (size >> 16) & 255, 0];
    const entries = Array.from(
      { length: 50 },
      (_, k) => `U\x02${String(k).padStart(2, '0')}h\x01K\x00K\x00K\x00\x87Rh\x02b`,
    ).join('');
    const path = await write(
      'bomb.pickle',
      '\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x010(K\x01K\x01J',
      length,
      '\x86cnumpy\ndtype\nU\x02i1K\x00K\x01\x87R\x89T',
      length,
      Buffer.alloc(size).toString('latin1'),
      'tq\x020}(',
      entries.replaceAll('K\x00K\x00K\x00\x87', 'cnumpy\nndarray\nK\x00U\x01b\x87'),
      'u.',
    );
    expect((await faultsOf(readHistogramPickle(path, 1, size)))[0]).toMatch(/more often than it can hold/);
  });
});

describe.each([
  ['parity fixture', parity],
  ['real data (skipped without ../shared)', here('../../../shared/data/s2a-s2b-tanzania')],
])('%s', (_, root) => {
  test.skipIf(!existsSync(root))('computed histograms are those of the pickles', async () => {
    const dataset = await openDataset(root, data);
    const pixels = await Promise.all(dataset.all.map((patch) => readPatch(patch, data.bands)));
    const table = buildTable(dataset.all, pixels, { knots: 8, bins: data.bins, bandMax: data.bandMax });
    for (const of of [patchHistograms, tileHistograms]) {
      const stored = await of(root, table, { histograms: 'pickle' });
      const computed = await of(root, table, { histograms: 'computed' });
      expect([stored.from, computed.from]).toEqual(['pickle', 'computed']);
      expect(stored.difference).toBe(0);
      expect([...computed.counts.keys()].sort()).toEqual([...stored.counts.keys()].sort());
      for (const [name, counts] of stored.counts) expect(computed.counts.get(name), name).toEqual(counts);
    }
    const size = pixels[0].width * pixels[0].height;
    expect([
      ...histogram(pixels[0].source.subarray(0, size), pixels[0].mask, data.bandMax[0], data.bins),
    ]).toEqual([...table.sourceHistogram.subarray(0, data.bins)]);
  });
});

describe('where histograms come from', () => {
  const table = (ids: string[], tiles: string[]): StatisticsTable => ({
    ...buildTable([], [], { knots: 2, bins: 2, bandMax: [10] }),
    ids,
    tiles,
    sourceHistogram: Uint32Array.from({ length: 2 * ids.length }, (_, k) => k),
  });
  const three = table(['R/a.tif', 'R/b.tif', 'R/c.tif'], ['t', 'u', 't']);

  test('counted where there is no pickle, a tile being the sum of its patches', async () => {
    const { counts, from } = await tileHistograms(folder, three, { histograms: 'auto' });
    expect(from).toBe('computed');
    expect([...counts].map(([name, values]) => [name, ...values])).toEqual([
      ['t', 0 + 4, 1 + 5],
      ['u', 2, 3],
    ]);
  });

  test('an incomplete pickle: counted with auto, a fault when insisted on', async () => {
    await write('Patch512Historam256-S2.pickle', '\x80\x02}', `(U\x05a.tif${array(1, 2)}u.`);
    const auto = await patchHistograms(folder, three, { histograms: 'auto' });
    expect([auto.from, auto.missing]).toEqual(['computed', ['b.tif', 'c.tif']]);
    const faults = await faultsOf(patchHistograms(folder, three, { histograms: 'pickle' }));
    expect(faults.map((fault) => /lacks (\S+);/.exec(fault)?.[1])).toEqual(['b.tif', 'c.tif']);
    const one = table(['R/a.tif'], ['t']);
    const whole = await patchHistograms(folder, one, { histograms: 'auto' });
    expect([whole.from, [...(whole.counts.get('R/a.tif') ?? [])]]).toEqual(['pickle', [1, 2]]);
    // shares 1/3, 2/3 in the pickle, 0, 1 in the table
    expect(whole.difference).toBeCloseTo(1 / 3, 12);
  });

  test('a pickle of other bins: counted with auto, one fault when insisted on', async () => {
    await write('Patch512Historam256-S2.pickle', '\x80\x02}', `(U\x05a.tif${array(1, 2)}u.`);
    const finer = { ...table(['R/a.tif'], ['t']), bins: 3, sourceHistogram: Uint32Array.of(4, 5, 6) };
    const auto = await patchHistograms(folder, finer, { histograms: 'auto' });
    expect([auto.from, auto.otherShape, [...auto.counts.get('R/a.tif')!]]).toEqual([
      'computed',
      [1, 2],
      [4, 5, 6],
    ]);
    expect(await faultsOf(patchHistograms(folder, finer, { histograms: 'pickle' }))).toEqual([
      `histograms: ${join(folder, 'Patch512Historam256-S2.pickle')} has histograms of [1, 2] where [1, 3] is needed; data.histograms=computed counts anew`,
    ]);
  });

  test('a pickle that asks for code is a fault also with auto', async () => {
    await write('tileHistoram256-S2.pickle', "cos\nsystem\n(S'true'\ntR.");
    expect((await faultsOf(tileHistograms(folder, three, { histograms: 'auto' })))[0]).toMatch(
      /asks for os.system/,
    );
  });
});
