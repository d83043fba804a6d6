import { execFileSync, spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CacheOptions, type DatasetCache, openCache } from '../../src/dataset/cache.js';
import { type Dataset, openDataset } from '../../src/dataset/layout.js';
import { packPatches } from '../../src/dataset/pack.js';
import { type Patch, type PatchPixels, tileKey } from '../../src/dataset/patch.js';
import { patchReader, readAndCount } from '../../src/dataset/patch-reader.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { buildTable } from '../../src/dataset/statistics-table.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';
import type { Progress } from '../../src/progress.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { data } = resolveExperiment({});

let folder: string;
let root: string;
let dataset: Dataset;
let open: DatasetCache[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-cache-'));
  root = join(folder, 'data');
  cpSync(here('../fixtures/parity/data'), root, { recursive: true });
  process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
  dataset = await openDataset(root, data);
  open = [];
});
afterEach(async () => {
  delete process.env['BANDALIGN_CACHE'];
  for (const cache of open) await cache.close();
  await rm(folder, { recursive: true });
});

const cached = async (options: Partial<CacheOptions> = {}): Promise<DatasetCache> => {
  const cache = await openCache({ dataset, data, knots: 256, pixels: true, ...options });
  open.push(cache);
  return cache;
};

const faultOf = async (promise: Promise<unknown>): Promise<Fault> => {
  const error = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
};

/** The same numbers, compared as bytes: comparing a million of them one by one takes seconds. */
const sameBytes = (a: object, b: object): void => {
  const [left, right] = [a, b] as Record<string, unknown>[];
  expect(Object.keys(left).sort()).toEqual(Object.keys(right).sort());
  for (const [key, value] of Object.entries(left)) {
    const other = right[key];
    if (!ArrayBuffer.isView(value) || !ArrayBuffer.isView(other)) expect(value, key).toEqual(other);
    else {
      const [x, y] = [value, other].map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength));
      expect(x.equals(y), key).toBe(true);
    }
  }
};

const filesIn = async (path: string): Promise<string[]> =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.replace(/[0-9a-f]{64}/, 'D').replace(/[0-9a-f]{16}/, 'S'))
    .sort();

/** Changes one byte of a mask in place: another value, the same size and the same time of modification. */
const changeBehindTheTimes = async (path: string): Promise<void> => {
  const { atime, mtime } = await stat(path);
  const bytes = await readFile(path);
  bytes[bytes.length - 1] ^= 1;
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
};

/** The dataset's files as written long ago, so that their times can be trusted. */
const settle = async (): Promise<void> => {
  const real = Date.now;
  Date.now = () => real() + 10_000;
  await cached().finally(() => {
    Date.now = real;
  });
};

/** Flips a bit of a cache file; `at` counts from the end when it is negative. */
const flip = async (at: string, name: RegExp, offset: number): Promise<void> => {
  const path = join(at, (await readdir(at)).find((one) => name.test(one))!);
  const bytes = await readFile(path);
  bytes[offset < 0 ? bytes.length + offset : offset] ^= 4;
  await writeFile(path, bytes);
};

const patchOf = (id: string) => dataset.all.find((patch) => patch.id === id)!;

const blankMask = async (id: string): Promise<void> => {
  // zeros of the right size, in the smallest TIFF there is
  const patch = dataset.all.find((one) => one.id === id);
  const { width, height } = await readPatch(patch!, data.bands);
  const entries: [number, number, number, number][] = [
    [256, 3, 1, width],
    [257, 3, 1, height],
    [258, 3, 1, 8],
    [259, 3, 1, 1],
    [262, 3, 1, 1],
    [273, 4, 1, 200],
    [277, 3, 1, 1],
    [278, 3, 1, height],
    [279, 4, 1, width * height],
  ];
  const tiff = Buffer.alloc(200 + width * height);
  tiff.write('II*\0\x08\0\0\0', 'latin1');
  tiff.writeUInt16LE(entries.length, 8);
  for (const [k, [tag, type, count, value]] of entries.entries()) {
    tiff.writeUInt16LE(tag, 10 + 12 * k);
    tiff.writeUInt16LE(type, 12 + 12 * k);
    tiff.writeUInt32LE(count, 14 + 12 * k);
    tiff.writeUInt32LE(value, 18 + 12 * k);
  }
  await writeFile(patch!.mask!.path, tiff);
};

describe('openCache', () => {
  test('holds what the patches hold, sorted by id', async () => {
    const cache = await cached();
    expect(cache.built?.patches).toBe(dataset.all.length);
    const ids = dataset.all.map(({ id }) => id).sort();
    expect(cache.table.ids).toEqual(ids);
    const patches = ids.map((id) => dataset.all.find((patch) => patch.id === id)!);
    const pixels = await Promise.all(patches.map((patch) => readPatch(patch, data.bands)));
    sameBytes(cache.table, buildTable(patches, pixels, { knots: 256, bins: 256, bandMax: data.bandMax }));
    expect(cache.table.tiles).toEqual(patches.map(tileKey));
    let reused = cache.pixels!.read(0);
    for (const [row, expected] of pixels.entries()) {
      expect(cache.index(ids[row])).toBe(row);
      sameBytes(cache.pixels!.read(row), expected);
      reused = cache.pixels!.read(row, reused);
      sameBytes(reused, expected);
    }
    expect(cache.index('nowhere')).toBeUndefined();
    expect(cache.pixels!.length).toBe(ids.length);
    const batches = [[3, 1], [], [2], [0, 0, 4], [5]];
    const ahead: PatchPixels[][] = [];
    for await (const batch of cache.pixels!.readAhead(batches)) ahead.push(structuredClone(batch));
    expect(ahead.map((batch) => batch.length)).toEqual(batches.map((batch) => batch.length));
    for (const [k, row] of batches.flat().entries()) sameBytes(ahead.flat()[k], pixels[row]);
    // into memory of another's, at an address that is not its first
    const elsewhere: SharedArrayBuffer[] = [];
    const allocate = (bytes: number): Uint8Array => {
      elsewhere.push(new SharedArrayBuffer(bytes + 10));
      return new Uint8Array(elsewhere.at(-1)!, 10, bytes);
    };
    let next = 0;
    for await (const batch of cache.pixels!.readAhead(batches, 1, allocate))
      for (const patch of batch) {
        expect(elsewhere).toContain(patch.source.buffer);
        sameBytes(patch, pixels[batches.flat()[next++]]);
      }
    expect(next).toBe(batches.flat().length);
  });

  test('is read, not built, the second time; writes nothing into the dataset', async () => {
    const before = await filesIn(root);
    const first = await cached();
    const second = await cached({ dataset: { all: [...dataset.all].reverse() } });
    expect(second.built).toBeNull();
    expect(second.digest).toBe(first.digest);
    sameBytes(second.table, first.table);
    expect(await filesIn(root)).toEqual(before);
    expect(await filesIn(join(folder, 'cache'))).toEqual([
      'inputs.json',
      'pixels-D.bin',
      'statistics-S-D.bin',
    ]);
  });

  test('adds pixels when they are first needed, and other knots from the pixels', async () => {
    const stages = new Set<string>();
    const onProgress = ({ stage }: Progress): void => void stages.add(stage);
    const lean = await cached({ pixels: false, onProgress });
    expect(lean.pixels).toBeUndefined();
    const full = await cached({ onProgress });
    expect(full.pixels?.length).toBe(dataset.all.length);
    expect([...stages]).toEqual(['packing']);
    stages.clear();
    const coarse = await cached({ knots: 16, onProgress });
    expect([...stages]).toEqual(['counting']);
    expect(coarse.table.linear.length).toBe(dataset.all.length * 4 * 16);
    const again = await cached({ knots: 16, pixels: false });
    expect(again.built).toBeNull();
    sameBytes(again.table, coarse.table);
  });

  test('other settings have other statistics and share the pixels', async () => {
    await cached();
    const other = await cached({ data: { ...data, bins: 64, bandMax: [2000, 2000, 2000, 2000] } });
    expect(other.table.sourceHistogram.length).toBe(dataset.all.length * 4 * 64);
    expect(await filesIn(join(folder, 'cache'))).toEqual([
      'inputs.json',
      'pixels-D.bin',
      'statistics-S-D.bin',
      'statistics-S-D.bin',
    ]);
  });

  test('changed contents are found though size and time of modification are the same', async () => {
    await settle();
    const old = await cached();
    expect(old.built).toBeNull();
    await changeBehindTheTimes(dataset.all[0].source.path);
    const renewed = await cached();
    expect(renewed.built?.patches).toBe(dataset.all.length);
    expect(renewed.digest).not.toBe(old.digest);
    const row = renewed.index(dataset.all[0].id)!;
    expect(renewed.pixels!.read(row)).toEqual(await readPatch(dataset.all[0], data.bands));
    // the older cache that is still open reads on; its files are gone
    expect(old.pixels!.read(row)).not.toEqual(renewed.pixels!.read(row));
    expect(await filesIn(join(folder, 'cache'))).toEqual([
      'inputs.json',
      'pixels-D.bin',
      'statistics-S-D.bin',
    ]);
  });

  test('files touched without a change are hashed, not read again', async () => {
    await settle();
    const before = await cached();
    const now = new Date();
    for (const { source } of dataset.all) await utimes(source.path, now, now);
    const after = await cached();
    expect(after.built).toBeNull();
    expect(after.digest).toBe(before.digest);
  });

  test('skips patches without a valid pixel and says which', async () => {
    const blank = dataset.all[1].id;
    await blankMask(blank);
    const cache = await cached();
    expect(cache.skipped).toEqual([blank]);
    expect(cache.index(blank)).toBeUndefined();
    expect(cache.table.ids.length).toBe(dataset.all.length - 1);
    expect((await cached()).skipped).toEqual([blank]);
    const last = cache.table.ids.length - 1;
    const patch = dataset.all.find(({ id }) => id === cache.table.ids[last])!;
    expect(cache.pixels!.read(last)).toEqual(await readPatch(patch, data.bands));
    for (const { id } of dataset.all) if (id !== blank) await blankMask(id);
    expect((await faultOf(cached())).message).toMatch(/none of 15 patches has a valid pixel/);
  });

  test('reports every faulty file and leaves nothing behind', async () => {
    await truncate(dataset.all[0].source.path, 100);
    await writeFile(dataset.all[2].mask!.path, 'no raster');
    await rm(dataset.all[4].target.path);
    const fault = await faultOf(cached());
    expect(fault.exitCode).toBe(2);
    for (const path of [dataset.all[0].source.path, dataset.all[2].mask!.path, dataset.all[4].target.path])
      expect(fault.faults.filter((line) => line.includes(path))).toHaveLength(1);
    expect(fault.faults).toHaveLength(3);
    expect(await filesIn(join(folder, 'cache'))).toEqual([]);
  });

  test('a damaged cache is built anew', async () => {
    const { folder: at } = await cached();
    for (const [name, damage] of [
      [/^pixels/, (path: string) => truncate(path, 5000)],
      [/^statistics/, (path: string) => writeFile(path, 'x')],
      [/^inputs/, (path: string) => writeFile(path, '{"version":1,"inp')],
    ] as const) {
      const file = (await readdir(at)).find((one) => name.test(one))!;
      await damage(join(at, file));
      const cache = await cached();
      expect(cache.built, file).not.toBeNull();
      expect(cache.table.ids.length).toBe(15);
    }
    expect((await cached()).built).toBeNull();
  });

  test.each([
    ['a bit of the statistics', /^statistics/, 5000],
    ['a bit of the index of statistics', /^statistics/, -20],
    ['a bit of the pixels', /^pixels/, 70],
    ['a bit of the index of pixels', /^pixels/, -20],
    ['a bit of the head', /^pixels/, 17],
  ])('%s that flips is found, and what it was in is built anew', async (_, name, at) => {
    const sound = await cached();
    await flip(sound.folder, name, at);
    // another shape is counted from the pixels, which checks all of them
    await cached({ knots: 16 });
    const mended = await cached();
    sameBytes(mended.table, sound.table);
    for (let row = 0; row < sound.pixels!.length; row++)
      sameBytes(mended.pixels!.read(row), await readPatch(patchOf(sound.table.ids[row]), data.bands));
  });

  test('a patch whose pixels are damaged is a fault once it is read; the next run packs anew', async () => {
    const { folder: at, table } = await cached();
    await flip(at, /^pixels/, 70);
    const damaged = await cached();
    expect(damaged.built).toBeNull();
    const fault = (() => {
      try {
        return damaged.pixels!.read(0);
      } catch (error) {
        return error;
      }
    })() as Fault;
    expect(fault).toBeInstanceOf(Fault);
    expect(fault.message).toBe(
      `cache: ${join(at, (await readdir(at)).find((one) => one.startsWith('statistics'))!).replace(/statistics-[0-9a-f]{16}/, 'pixels')}; is damaged (patch ${table.ids[0]}): it was removed, run again and it is built anew`,
    );
    expect(fault.exitCode).toBe(1);
    const mended = await cached();
    expect(mended.built?.patches).toBe(15);
    sameBytes(mended.pixels!.read(0), await readPatch(patchOf(table.ids[0]), data.bands));
  });

  test('two folders with one cache do not get each other’s numbers, however their paths are typed', async () => {
    const other = join(folder, 'b', 'data');
    cpSync(root, other, { recursive: true });
    await changeBehindTheTimes((await openDataset(other, data)).all[0].source.path);
    await mkdir(join(folder, 'a'));
    await symlink(root, join(folder, 'a', 'data'));
    const before = process.cwd();
    const from = async (place: string, typed: string): Promise<DatasetCache> => {
      process.chdir(join(folder, place));
      try {
        return await cached({ dataset: await openDataset(typed, data) });
      } finally {
        process.chdir(before);
      }
    };
    const a = await from('a', 'data');
    const b = await from('b', 'data');
    expect(b.folder).not.toBe(a.folder);
    expect(b.digest).not.toBe(a.digest);
    for (const [place, typed, expected] of [
      ['b', root, a],
      ['b', '../a/data', a],
      ['a', other, b],
      ['a', '../b/data', b],
    ] as const) {
      const again = await from(place, typed);
      expect([again.built, again.digest], `${typed} from ${place}`).toEqual([null, expected.digest]);
      sameBytes(again.table, expected.table);
    }
  });

  test('a link that leads to another dataset by now is followed anew', async () => {
    const other = join(folder, 'other');
    cpSync(root, other, { recursive: true });
    await changeBehindTheTimes((await openDataset(other, data)).all[0].source.path);
    const typed = join(folder, 'link');
    await symlink(root, typed);
    const first = await cached({ dataset: await openDataset(typed, data) });
    await rm(typed);
    await symlink(other, typed);
    const second = await cached({ dataset: await openDataset(typed, data) });
    expect(second.built?.patches).toBe(15);
    expect(second.digest).not.toBe(first.digest);
  });

  test('two at once: one builds, the other waits', async () => {
    const [a, b] = await Promise.all([cached(), cached()]);
    expect([a.built, b.built].filter((built) => built === null)).toHaveLength(1);
    sameBytes(a.table, b.table);
  });

  test('can be interrupted, and leaves nothing behind', async () => {
    const controller = new AbortController();
    const stop = new Fault('interrupted', 1);
    const onProgress = (): void => controller.abort(stop);
    expect(await faultOf(cached({ signal: controller.signal, onProgress }))).toBe(stop);
    expect(await filesIn(join(folder, 'cache'))).toEqual([]);
  });

  test('a place that cannot be written is a fault', async () => {
    await writeFile(join(folder, 'file'), '');
    process.env['BANDALIGN_CACHE'] = join(folder, 'file', 'cache');
    const fault = await faultOf(cached());
    expect(fault.message).toMatch(
      /^cache: .* cannot be written \(ENOTDIR.*; set BANDALIGN_CACHE to another folder$/,
    );
    expect(fault.exitCode).toBe(1);
  });
});

/** A program that packs the dataset, run from source as a process of its own. */
const program = async (): Promise<string> => {
  const path = join(folder, 'pack.mts');
  const at = (file: string): string => JSON.stringify(here(`../../src/${file}`));
  await writeFile(
    path,
    `import { openCache } from ${at('dataset/cache.ts')};
import { openDataset } from ${at('dataset/layout.ts')};
import { resolveExperiment } from ${at('experiments/experiment.ts')};
const { data } = resolveExperiment({});
const dataset = await openDataset(process.argv[2], data);
const onProgress = ({ done }) => { if (done === 8 && process.argv[3] === 'die') process.kill(process.pid, 'SIGKILL'); };
try {
  await openCache({ dataset, data, knots: 256, pixels: true, onProgress });
  console.log('packed');
} catch (error) {
  console.log(error.name + ': ' + error.message);
}
`,
  );
  return path;
};

const jiti = ['--import', import.meta.resolve('jiti/register')];

const run = (command: string, args: string[]): Promise<string> =>
  new Promise((resolve) => {
    const child = spawn(command, args, { env: process.env });
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      out += text;
    });
    child.on('exit', (code, signal) => resolve(`${out}${signal ?? code}`));
  });

describe('processes', () => {
  test('killed while packing: the next one cleans up and packs', async () => {
    expect(await run(process.execPath, [...jiti, await program(), root, 'die'])).toMatch(/SIGKILL$/);
    const left = await filesIn(join(folder, 'cache'));
    expect(left.filter((name) => name.endsWith('.tmp'))).toHaveLength(2);
    expect(left).toContain('lock');
    expect((await cached()).built?.patches).toBe(15);
    expect(await filesIn(join(folder, 'cache'))).toEqual([
      'inputs.json',
      'pixels-D.bin',
      'statistics-S-D.bin',
    ]);
  });

  test('two processes at once give one cache', async () => {
    const path = await program();
    const both = [1, 2].map(() => run(process.execPath, [...jiti, path, root]));
    expect(await Promise.all(both)).toEqual(['packed\n0', 'packed\n0']);
    expect((await cached()).built).toBeNull();
  });

  test('a limit on file size is a fault that tells the bytes needed', async () => {
    // 100 blocks of 512 bytes; a full disk takes the same path
    const command = `ulimit -f 100; exec "$@"`;
    const out = await run('bash', ['-c', command, 'bash', process.execPath, ...jiti, await program(), root]);
    expect(out).toMatch(
      /^Fault: cache: .* is full, the file takes \d+ bytes \(0\.00 GiB\); free some space or set BANDALIGN_CACHE to another folder\n0$/,
    );
    expect((await filesIn(join(folder, 'cache'))).filter((name) => name !== 'lock')).toEqual([]);
  });

  test('a full disk is a fault that tells the bytes needed (skipped where no tmpfs can be mounted)', async (context) => {
    const small = join(folder, 'small');
    await mkdir(small);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      context.skip('no permission to mount a tmpfs');
    }
    try {
      process.env['BANDALIGN_CACHE'] = join(small, 'cache');
      const fault = await faultOf(cached());
      expect(fault.message).toMatch(/^cache: .* is full, the file takes \d+ bytes/);
      expect(fault.exitCode).toBe(1);
      expect(await filesIn(small)).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  });
});

describe('packing', () => {
  test('a file that changes meanwhile is a fault', async () => {
    const [first] = dataset.all;
    const patches = Array.from({ length: 20 }, (_, k) => ({ ...first, id: `${first.id}${k}` }));
    let written: Promise<void> | undefined;
    const real = (patch: Patch): Patch => patch;
    const job = { patches, real, bands: data.bands, statistics: null, pixels: null, known: new Map() };
    const onProgress = (): void => {
      written ??= changeBehindTheTimes(first.source.path);
    };
    const fault = await faultOf(packPatches({ ...job, onProgress }));
    await written;
    expect(fault.message).toMatch(/was changed while it was read; run again when it is finished/);
  });

  test('gives up after twenty faulty patches', async () => {
    const patches = Array.from({ length: 100 }, (_, k) => ({
      ...dataset.all[0],
      id: String(k),
      source: { path: join(folder, `${k}.tif`), window: null, bands: null },
    }));
    const job = {
      patches,
      real: (patch: Patch): Patch => patch,
      bands: data.bands,
      statistics: null,
      pixels: null,
      known: new Map(),
      onProgress: () => {},
    };
    const fault = await faultOf(packPatches(job));
    expect(fault.faults).toHaveLength(21);
    expect(fault.faults[20]).toMatch(/bandalign dataset check/);
  });

  test('threads read what this one reads, and pass on faults', async () => {
    const reader = patchReader(15, 2);
    try {
      const shape = { knots: 32, bins: 256, bandMax: data.bandMax };
      const jobs = dataset.all.map((patch) => ({ patch, bands: data.bands, shape, pixels: true }));
      const rows = await Promise.all(jobs.map(reader.read));
      for (const [k, row] of (await Promise.all(jobs.map(readAndCount))).entries()) {
        sameBytes(rows[k]!.columns!, row!.columns!);
        expect(Buffer.from(rows[k]!.pixels!).equals(Buffer.from(row!.pixels!))).toBe(true);
        expect([rows[k]!.width, rows[k]!.height]).toEqual([row!.width, row!.height]);
      }
      await truncate(dataset.all[3].source.path, 50);
      const fault = await faultOf(reader.read(jobs[3]));
      expect(fault.message).toBe((await faultOf(readAndCount(jobs[3]))).message);
    } finally {
      await reader.close();
    }
  });
});
