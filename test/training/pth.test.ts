import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convLayout, unetLayout } from '../../src/engine/layout.js';
import { Fault } from '../../src/fault.js';
import { flatten } from '../../src/models/tensor-file.js';
import { readPth } from '../../src/training/pth.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const torch = (name: string): string => here(`../fixtures/torch/${name}`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-pth-'));
});
afterAll(() => rm(folder, { recursive: true }));

const faultOf = async (path: string): Promise<string> => {
  const error = await readPth(path).then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(Fault);
  expect((error as Fault).exitCode).toBe(2);
  return (error as Fault).message;
};

/** The start of a record: its signature, then zeros (no flags, stored, no date). */
const signed = (signature: number, length: number): Buffer => {
  const start = Buffer.alloc(length);
  start.writeUInt32LE(signature, 0);
  return start;
};

/** A zip archive of stored entries, as torch.save writes it; `lie` changes the sizes that the directory tells. */
const zip = (
  entries: Record<string, Buffer>,
  lie: Record<string, number> = {},
  damage: string[] = [],
): Buffer => {
  const [locals, centrals]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, data] of Object.entries(entries)) {
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE((crc32(data) ^ (damage.includes(name) ? 1 : 0)) >>> 0, 0);
    sizes.writeUInt32LE(lie[name] ?? data.length, 4);
    sizes.writeUInt32LE(lie[name] ?? data.length, 8);
    const length = Buffer.from(Uint16Array.of(name.length, 0).buffer);
    const local = Buffer.concat([signed(0x04034b50, 14), sizes, length, Buffer.from(name), data]);
    const start = Buffer.alloc(4);
    start.writeUInt32LE(offset);
    centrals.push(
      Buffer.concat([signed(0x02014b50, 16), sizes, length, Buffer.alloc(10), start, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
};

const archive = async (
  pickle: string,
  storages: Record<string, Buffer> = {},
  ...more: [Record<string, number>?, string[]?]
): Promise<string> => {
  const path = join(folder, 'x.pth');
  const data = Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`x/data/${key}`, bytes]));
  await writeFile(path, zip({ 'x/data.pkl': Buffer.from(pickle, 'latin1'), ...data }, ...more));
  return path;
};

/** `{'w': tensor}` over float storage '0' of `length` values. */
const tensor = (length: number, offset: number, size: number, stride: number): string => {
  const int = (value: number): string => `J${Buffer.from(Int32Array.of(value).buffer).toString('latin1')}`;
  return (
    `\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu${int(length)}tQ` +
    `${int(offset)}${int(size)}\x85${int(stride)}\x85\x89}tRs.`
  );
};

describe('files that torch.save wrote', () => {
  test('every type; strided, shared, scalar and empty tensors', async () => {
    const { tensors, metadata } = await readPth(torch('bare.pth'));
    const plain = Object.fromEntries(
      [...tensors].map(([name, { dtype, shape, data }]) => [name, [dtype, shape, [...data]]]),
    );
    const count = Array.from({ length: 24 }, (_, k) => k);
    expect(plain).toEqual({
      plain: ['F32', [2, 3, 4], count],
      transposed: ['F32', [6, 4], Array.from({ length: 24 }, (_, k) => (k % 4) * 6 + Math.floor(k / 4))],
      tail: ['F32', [4], [20, 21, 22, 23]],
      every_second: ['F32', [12], count.filter((k) => k % 2 === 1)],
      scalar: ['F32', [], [7.5]],
      empty: ['F32', [0, 3], []],
      double: ['F64', [2], [1.5, -2.5]],
      long: ['I64', [2], [-1n, 2n ** 40n]],
      int: ['I32', [2, 1], [1, -2]],
      short: ['I16', [2], [-3, 3]],
      char: ['I8', [1], [-4]],
      byte: ['U8', [1], [250]],
      bool: ['BOOL', [2], [1, 0]],
      half: ['F16', [1], [0x3c00]],
      bfloat16: ['BF16', [1], [0x3f80]],
      parameter: ['F32', [2], [1, 1]],
    });
    expect(metadata).toEqual({ format: 'pt' });
  });

  test('a checkpoint: weights without `module.`, Adam’s state by name, the epoch', async () => {
    const { tensors, metadata } = await readPth(torch('checkpoint.pth'));
    const expected = JSON.parse(readFileSync(torch('checkpoint.json'), 'utf8')) as Record<string, number[][]>;
    const flat = (name: string): number[] => Array.from(tensors.get(name)?.data ?? [], Number);
    expect(flat('0.weight')).toEqual(expected['weight'].flat());
    expect(flat('optimizer.exp_avg.0.weight')).toEqual(expected['exp_avg'].flat());
    expect(flat('optimizer.exp_avg_sq.0.weight')).toEqual(expected['exp_avg_sq'].flat());
    expect(flat('optimizer.step.0.weight')).toEqual([expected['step']]);
    // no gradient ever reached the last layer, and running statistics are no parameters
    expect([...tensors.keys()].filter((name) => name.startsWith('optimizer.exp_avg.'))).toEqual(
      ['0.weight', '0.bias', '1.weight', '1.bias'].map((name) => `optimizer.exp_avg.${name}`),
    );
    expect(tensors.get('1.num_batches_tracked')).toEqual({
      dtype: 'I64',
      shape: [],
      data: BigInt64Array.of(3n),
    });
    expect(metadata['epoch']).toBe('3');
    expect(JSON.parse(metadata['optimizer'])).toMatchObject({
      lr: 0.01,
      betas: [0.9, 0.999],
      weight_decay: 1e-4,
    });
  });

  test('zip64 records', async () => {
    expect((await readPth(torch('zip64.pth'))).tensors).toEqual((await readPth(torch('bare.pth'))).tensors);
  });

  test('a whole model, the old format, an expanded tensor are refused with the reason', async () => {
    expect(await faultOf(torch('whole-model.pth'))).toMatch(
      /^pickle: .*whole-model\.pth asks for torch\.nn\.modules\.linear\.Linear; nothing of it was run, .*\(a state_dict, not a whole model\) only$/,
    );
    expect(await faultOf(torch('legacy.pth'))).toMatch(
      /format from before 1\.6; load it in Python and torch\.save it again/,
    );
    expect(await faultOf(torch('expanded.pth'))).toMatch(
      /tensor \[1000, 1000\] beyond its storage of 1 values/,
    );
  });
});

describe.each([
  ['parity fixture', here('../fixtures/parity/reference/epochs_0.pth'), 0],
  [
    'trained weights (skipped without ../shared)',
    here('../../../shared/reference/unet-lut-conv-tv_epochs_4.pth'),
    86,
  ],
])('%s of the original', (_, path, adam) => {
  test.skipIf(!existsSync(path))('fill the layouts', async () => {
    const file = await readPth(path);
    const unet = unetLayout({ bands: 4, knots: 256, width: 8, depth: 4, norm: 'batch', groups: 4 });
    const conv = convLayout(4);
    const vectors = flatten(
      path,
      file,
      [unet.parameters, unet.running, conv.parameters, conv.running].map((slots) => ({ slots })),
    );
    expect(vectors.map((vector) => vector.length)).toEqual([
      unet.parameterCount,
      unet.runningCount,
      conv.parameterCount,
      conv.runningCount,
    ]);
    expect(vectors.every((vector) => vector.every(Number.isFinite))).toBe(true);
    const moments = [...file.tensors.keys()].filter((name) => name.startsWith('optimizer.exp_avg.'));
    expect(moments.length).toBe(adam);
    if (adam > 0) {
      const prefix = 'optimizer.exp_avg.';
      const parts = [unet, conv].map(({ parameters }) => ({ slots: parameters, prefix }));
      expect(() => flatten(path, file, parts, (name) => !name.startsWith(prefix))).not.toThrow();
    }
  });
});

describe('bad archives', () => {
  const four = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

  test('a good one, made by hand', async () => {
    const { tensors } = await readPth(await archive(tensor(4, 1, 2, 2), { 0: four }));
    expect(tensors.get('w')).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(2, 4) });
  });

  test.each([
    [
      'a view beyond its storage',
      tensor(4, 1, 2, 3),
      { 0: four },
      /tensor \[2\] beyond its storage of 4 values/,
    ],
    ['a storage of another size', tensor(5, 0, 2, 1), { 0: four }, /storage 0 of 20 bytes, which has 16/],
    [
      'a storage of 8 GB',
      tensor(2_000_000_000, 0, 2_000_000_000, 1),
      { 0: four },
      /storage 0 of 8000000000 bytes, which has 16/,
    ],
    ['no storage', tensor(4, 0, 4, 1), {}, /storage 0, which the archive lacks/],
    ['code', "cos\nsystem\n(S'true'\ntR.", {}, /asks for os\.system; nothing of it was run/],
    ['a state without tensors', '}.', {}, /holds no tensors/],
    ['a state that is none', ').', {}, /is no dictionary/],
    ['text among the weights', '}U\x01aU\x01bs.', {}, /has a, which is no tensor/],
    ['a persistent id that is none', 'U\x01aQ.', {}, /storage of unknown kind/],
    ['an empty pickle', '', {}, /ends at byte 0/],
  ] as const)('%s', async (_, pickle, storages, message) => {
    expect(await faultOf(await archive(pickle, storages))).toMatch(message);
  });

  test.each([
    ['under `model`, compiled and in parallel', `}U\x05model`, '_orig_mod.module.', 's.'],
    ['of a Lightning module', `}U\x0astate_dict`, 'model.', 's.'],
  ])('weights %s', async (_, before, prefix, after) => {
    const state = tensor(4, 1, 2, 2).replace(
      'U\x01w',
      `U${String.fromCharCode(prefix.length + 1)}${prefix}w`,
    );
    const { tensors } = await readPth(await archive(`${before}${state.slice(0, -1)}${after}`, { 0: four }));
    expect([...tensors.keys()]).toEqual(['w']);
  });

  test('damaged contents, sizes that lie, archives without data.pkl, repeated names', async () => {
    expect(await faultOf(await archive(tensor(4, 0, 4, 1), { 0: four }, {}, ['x/data/0']))).toMatch(
      /x\/data\/0 is damaged/,
    );
    expect(
      await faultOf(await archive(tensor(4, 0, 4, 1), { 0: four }, { 'x/data/0': 4_000_000_000 })),
    ).toMatch(/announces 4000000000 bytes of \d+/);
    const path = join(folder, 'y.pth');
    await writeFile(path, zip({ 'x/other': four }));
    expect(await faultOf(path)).toMatch(/holds no data\.pkl/);
    await writeFile(path, 'not a checkpoint at all');
    expect(await faultOf(path)).toMatch(/it is no zip archive/);
    expect(await faultOf(join(folder, 'none.pth'))).toMatch(/cannot be read \(ENOENT/);
  });

  test('cut anywhere', async () => {
    const bytes = await readFile(torch('checkpoint.pth'));
    const path = join(folder, 'cut.pth');
    for (let length = 0; length < bytes.length; length += 101) {
      await writeFile(path, bytes.subarray(0, length));
      expect(await faultOf(path)).toMatch(/^weights: /);
    }
  });
});
