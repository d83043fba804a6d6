import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fault } from '../../src/fault.js';
import { flatten, type Tensor, type TensorFile } from '../../src/models/tensor-file.js';
import { duplicateKeys } from '../../src/training/json-keys.js';
import { encodeSafetensors, readSafetensors } from '../../src/training/safetensors.js';

const golden = fileURLToPath(new URL('../fixtures/safetensors/python.safetensors', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (bytes: Uint8Array): Promise<string> => {
  const path = join(folder, 'x.safetensors');
  await writeFile(path, bytes);
  return path;
};

const faultsOf = async (promise: Promise<unknown> | (() => unknown)): Promise<readonly string[]> => {
  const error = await (typeof promise === 'function' ? (async () => promise())() : promise).then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(Fault);
  return (error as Fault).faults;
};

const raw = (
  header: string,
  data: number[] | Uint8Array = [],
  length = Buffer.byteLength(header),
): Uint8Array => {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([head, Buffer.from(header), Buffer.from(data)]);
};

test('reads what Python wrote', async () => {
  const { tensors, metadata } = await readSafetensors(golden);
  expect(metadata).toEqual({ format: 'pt', quote: 'a "b" \\ c', experiment: '{"name":"x"}' });
  const plain = new Map(
    [...tensors].map(([name, { dtype, shape, data }]) => [name, [dtype, shape, [...data]]]),
  );
  expect(plain.get('weight')).toEqual(['F32', [2, 3], [0, 0.25, 0.5, 0.75, 1, 1.25]]);
  expect(plain.get('double')).toEqual(['F64', [2], [0.1, -1e300]]);
  expect(plain.get('long')).toEqual(['I64', [2], [-1n, 2n ** 62n]]);
  expect(plain.get('byte')).toEqual(['U8', [3], [0, 1, 2]]);
  expect(plain.get('flag')).toEqual(['BOOL', [2], [1, 0]]);
  expect(plain.get('half')).toEqual(['F16', [2], [0x3c00, 0xc000]]);
  expect(plain.get('scalar')).toEqual(['F32', [], [2.5]]);
  expect(plain.get('empty')).toEqual(['F32', [0, 4], []]);
  expect(plain.get('ünïcode "name"')).toEqual(['I16', [1], [5]]);
  expect(plain.size).toBe(9);
});

test('writes the bytes that safetensors 0.8.0 for Python has read back', async () => {
  const { tensors, metadata } = await readSafetensors(golden);
  const bytes = encodeSafetensors(tensors, metadata);
  expect(createHash('sha256').update(bytes).digest('hex')).toMatchSnapshot();
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(headerLength % 8).toBe(0);
  expect(await readSafetensors(await file(bytes))).toEqual(
    expect.objectContaining({ metadata, tensors: new Map([...tensors]) }),
  );
});

test('what is written comes back, whatever the names, types and order', async () => {
  const tensor: fc.Arbitrary<Tensor> = fc.oneof(
    fc.float32Array({ maxLength: 9 }).map((data): Tensor => ({ dtype: 'F32', shape: [data.length], data })),
    fc
      .float64Array({ maxLength: 9 })
      .map((data): Tensor => ({ dtype: 'F64', shape: [data.length, 1], data })),
    fc.uint8Array({ maxLength: 9 }).map((data): Tensor => ({ dtype: 'U8', shape: [1, data.length], data })),
    fc.bigInt64Array({ maxLength: 9 }).map((data): Tensor => ({ dtype: 'I64', shape: [data.length], data })),
    fc.int16Array({ maxLength: 9 }).map((data): Tensor => ({ dtype: 'I16', shape: [data.length], data })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.string(), tensor), { maxLength: 8 }),
      fc.dictionary(fc.string(), fc.string(), { maxKeys: 4, noNullPrototype: true }),
      async (entries, metadata) => {
        const tensors = new Map(entries.filter(([name]) => name !== '__metadata__' && name !== '__proto__'));
        const read = await readSafetensors(await file(encodeSafetensors(tensors, metadata)));
        expect(read.metadata).toEqual(metadata);
        expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
      },
    ),
    { numRuns: 60 },
  );
});

describe('refuses', () => {
  const f32 = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  test.each([
    ['an empty file', new Uint8Array(0), 'it has 0 bytes'],
    ['a header beyond the file', raw('{}', [], 1000), 'its header announces 1000 bytes of 2'],
    [
      'a header over 8 MiB',
      raw('{}', [], 8 * 2 ** 20 + 1),
      'its header announces 8388609 bytes, 8388608 are allowed',
    ],
    ['a header of 2⁶³ bytes', Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from('{}')]), 'are allowed'],
    ['no JSON', raw('{"a":'), 'its header is no JSON'],
    ['JSON that is no object', raw('[]'), 'its header is no JSON object'],
    [
      'bytes that are no UTF-8',
      Buffer.concat([raw('', [], 2), Buffer.from([0x7b, 0xff])]),
      'its header is no UTF-8',
    ],
    ['cut data', raw(`${f32}}`, [0, 0]), 'a ends at byte 4 of 2: the file is cut'],
    ['bytes too many', raw(`${f32}}`, [0, 0, 0, 0, 0]), '1 bytes at its end belong to no tensor'],
    [
      'names twice',
      raw(`${f32},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, [0, 0, 0, 0]),
      'a is there twice',
    ],
    [
      'keys twice',
      raw('{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      'shape is there twice',
    ],
    [
      'overlaps',
      raw(`${f32},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, [0, 0, 0, 0, 0, 0]),
      'b overlaps another tensor',
    ],
    [
      'gaps',
      raw(`${f32},"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}`, [0, 0, 0, 0, 0, 0]),
      'b stands behind a gap',
    ],
    [
      'a wrong size',
      raw('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      'a of F32 [2] needs 8 bytes and has 4',
    ],
    [
      'an overflowing shape',
      raw(
        '{"a":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]}}',
        [0, 0, 0, 0],
      ),
      'bytes and has 4',
    ],
    [
      'a negative shape',
      raw('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      'a has no valid shape',
    ],
    [
      'negative offsets',
      raw('{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}', [0, 0, 0, 0]),
      'a has no valid offsets',
    ],
    [
      'an unknown type',
      raw('{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      'a has dtype "F31", which is not known',
    ],
    [
      'a type of the prototype',
      raw('{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      'not known',
    ],
    ['an entry that is none', raw('{"a":5}'), 'a is described by no object'],
    ['metadata that is no text', raw('{"__metadata__":{"a":1}}'), 'its __metadata__ is not all text'],
  ])('%s', async (_, bytes, message) => {
    const path = await file(bytes);
    const faults = await faultsOf(readSafetensors(path));
    expect(faults.join('\n')).toContain(message);
    expect(faults[0]).toMatch(/^weights: .*; give a whole safetensors file$/);
  });

  test('a missing file', async () => {
    expect((await faultsOf(readSafetensors(join(folder, 'none'))))[0]).toMatch(/cannot be read \(ENOENT/);
  });

  test('a golden file cut anywhere', async () => {
    const bytes = await readFile(golden);
    for (let length = 0; length < bytes.length; length += 7)
      await faultsOf(readSafetensors(await file(bytes.subarray(0, length))));
  });
});

test('a tensor whose data do not fit its shape is a programming error', () => {
  expect(() =>
    encodeSafetensors(new Map([['a', { dtype: 'U8', shape: [2], data: Uint8Array.of(1) }]])),
  ).toThrow('a [2] has 1 values');
});

test('duplicate keys are found at any depth, and only there', () => {
  expect(duplicateKeys('{"a":1,"b":{"a":"a:","a\\"":2},"c":[{"a":1},{"a":1}]}')).toEqual([]);
  expect(duplicateKeys('{"a":1,"\\u0061":2,"b":{"x":1,"x" :2}}')).toEqual(['a', 'x']);
});

describe('flatten', () => {
  const f32 = (shape: number[], ...values: number[]): Tensor => ({
    dtype: 'F32',
    shape,
    data: Float32Array.from(values),
  });
  const weights = (...entries: [string, Tensor][]): TensorFile => ({
    tensors: new Map(entries),
    metadata: {},
  });
  const slots = [
    { name: 'a', shape: [2, 1], offset: 0, size: 2 },
    { name: 'b', shape: [], offset: 2, size: 1 },
  ];

  test('lays tensors out by their slots', () => {
    const file = weights(
      ['b', { dtype: 'F64', shape: [], data: Float64Array.of(3) }],
      ['a', f32([2, 1], 1, 2)],
      ['optimizer.exp_avg.a', f32([2, 1], 4, 5)],
      ['n.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(1n) }],
    );
    expect(flatten('w', file, [{ slots }]).map((vector) => [...vector])).toEqual([[1, 2, 3]]);
    const [, moments] = flatten('w', file, [{ slots }, { slots: [slots[0]], prefix: 'optimizer.exp_avg.' }]);
    expect([...moments]).toEqual([4, 5]);
  });

  test('reports everything missing, extra, of another shape or type', async () => {
    const file = weights(['a', f32([1, 2], 1, 2)], ['c', f32([1], 1)]);
    expect(await faultsOf(() => flatten('w.pth', file, [{ slots }]))).toEqual([
      'weights: w.pth lacks b []; is it of this model?',
      'weights: w.pth has a of shape [1, 2] for [2, 1]; is it of this model?',
      'weights: w.pth has c [1]; the model has no such tensor',
    ]);
    const half = weights(
      ['b', { dtype: 'F16', shape: [], data: Uint16Array.of(1) }],
      ['a', f32([2, 1], 1, 2)],
    );
    expect(await faultsOf(() => flatten('w', half, [{ slots }]))).toEqual([
      'weights: w has b as F16; F32 or F64 is needed',
    ]);
    const broken = weights(['a', f32([2, 1], 1, Number.NaN)], ['b', f32([], Number.POSITIVE_INFINITY)]);
    expect(await faultsOf(() => flatten('w', broken, [{ slots }]))).toEqual([
      'weights: w has NaN or infinity in a, b; take an earlier checkpoint',
    ]);
  });

  test('tells of another model in a line, not in one for each tensor', async () => {
    const many = weights(...Array.from({ length: 100 }, (_, i): [string, Tensor] => [`x${i}`, f32([1], 1)]));
    const faults = await faultsOf(() => flatten('w', many, [{ slots: [] }]));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(
      /^weights: w has x0 \[1\], .*x7 \[1\], … \(100 in all\); the model has no such tensor$/,
    );
  });
});
