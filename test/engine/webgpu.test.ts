import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { disagreement, type Engine, openEngine, type PatchMemory } from '../../src/engine/engine.js';
import { patchStore } from '../../src/engine/patch-store.js';
import type { PixelError, PixelErrorInputs } from '../../src/engine/pixel-error.js';
import { gpuDevice, loseDevice } from '../../src/engine/webgpu/device.js';
import { shaderShape } from '../../src/engine/webgpu/shaders/shape.js';
import { reason } from '../../src/fault.js';
import { random, randomPatch, relativeDifference } from './pixels.js';
import { useTestDriver } from './test-driver.js';

let refused: string | null = null;
let cpu: Engine;
let card: Engine;
let memory: PatchMemory;
beforeAll(async () => {
  useTestDriver();
  cpu = await openEngine('cpu');
  try {
    card = await openEngine('webgpu');
    memory = card.patchMemory!;
  } catch (error) {
    if (process.env['BANDALIGN_TEST_WEBGPU']) throw error;
    refused = reason(error);
  }
}, 300_000);

interface Case extends PixelErrorInputs<PatchPixels> {
  patches: PatchPixels[];
  bandMax: number[];
}

const makeCase = (
  seed: number,
  [samples, bands, height, width]: readonly [number, number, number, number],
  knots: number,
  norm: 'batch' | 'running' = 'batch',
): Case => {
  const next = random(seed);
  const bandMax = Array.from({ length: bands }, (_, band) => [3000, 3000, 4000, 6500][band % 4]);
  const lut = Float32Array.from(
    { length: samples * bands * knots },
    (_, i) => 50 + (3000 * (i % knots)) / knots + 200 * next(),
  );
  const conv = Float32Array.from({ length: 9 * bands * bands + 3 * bands }, () => next() - 0.5);
  for (let band = 0; band < bands; band++) {
    conv[9 * bands * bands + bands + band] = 40 * (next() + 0.5);
    conv[9 * bands * bands + 2 * bands + band] = 60 * (next() - 0.5);
  }
  const running = Float32Array.from({ length: 2 * bands }, (_, i) =>
    i < bands ? 100 * next() : 1e5 * (next() + 0.2),
  );
  const patches = Array.from({ length: samples }, () => randomPatch(next, [bands, height, width], 3500));
  return { lut, conv, running, patches, bandMax, norm };
};

const compare = (there: PixelError, here: PixelError): void => {
  expect(Math.abs(there.mse - here.mse)).toBeLessThanOrEqual(1e-5 * here.mse);
  expect(relativeDifference(here.running, there.running)).toBeLessThan(1e-5);
  expect(relativeDifference(here.dLut, there.dLut)).toBeLessThan(1e-4);
  expect(relativeDifference(here.dConv, there.dConv)).toBeLessThan(1e-4);
};

describe('the error of pixels in shaders', { timeout: 300_000 }, () => {
  beforeEach((context) => {
    if (refused !== null) context.skip(refused);
  });

  test.for([
    [2, 4, 40, 36, 256],
    [1, 4, 64, 64, 256],
    [3, 1, 17, 5, 7],
    [1, 3, 1, 33, 2],
    [2, 5, 33, 18, 40],
    [1, 8, 20, 31, 256],
  ] as const)('is that of cpu for %s samples, %s bands, %s × %s pixels, %s knots', async ([...sizes]) => {
    const [samples, bands, height, width, knots] = sizes;
    for (const norm of ['batch', 'running'] as const) {
      const given = makeCase(height * width + knots, [samples, bands, height, width], knots, norm);
      compare(await card.pixelError(given), await cpu.pixelError(given));
    }
  });

  test('is the same to the bit each time', async () => {
    const given = makeCase(5, [2, 4, 40, 36], 256);
    const first = await card.pixelError(given);
    for (let i = 0; i < 3; i++) expect(await card.pixelError(given)).toEqual(first);
  });

  test('knows samples without a valid pixel, and a batch of none', async () => {
    const given = makeCase(6, [2, 4, 40, 36], 256);
    given.patches[0].mask.fill(0);
    compare(await card.pixelError(given), await cpu.pixelError(given));
    given.patches[1].mask.fill(0);
    const { mse, dLut, dConv, running } = await card.pixelError(given);
    expect(mse).toBe(0);
    expect([...dLut, ...dConv].every((value) => value === 0)).toBe(true);
    expect(relativeDifference((await cpu.pixelError(given)).running, running)).toBeLessThan(1e-5);
  });

  test('adds without overflow where all pixels have one value and large errors', async () => {
    const given = makeCase(7, [1, 4, 64, 64], 256);
    given.patches[0].source.fill(1500);
    given.patches[0].target.fill(-32768);
    given.lut.fill(32767);
    compare(await card.pixelError(given), await cpu.pixelError(given));
  });

  test('keeps to the buffers of its first step, and gives all back with the last patch', async () => {
    const { patches: pixels, ...inputs } = makeCase(9, [2, 4, 40, 36], 256);
    const device = gpuDevice();
    const { createBuffer } = device;
    let living = 0;
    let made = 0;
    device.createBuffer = (wish) => {
      const buffer = createBuffer.call(device, wish);
      const { destroy } = buffer;
      living++;
      made++;
      buffer.destroy = () => {
        living--;
        destroy.call(buffer);
      };
      return buffer;
    };
    try {
      const patches = await memory.upload(pixels, inputs.bandMax);
      await card.pixelError({ ...inputs, patches });
      const before = made;
      for (let i = 0; i < 100; i++) await card.pixelError({ ...inputs, patches });
      expect(made).toBe(before);
      expect(living).toBe(before);
      memory.release(patches);
      expect(living).toBe(0);
    } finally {
      device.createBuffer = createBuffer;
    }
  });
});

describe('patches on the device', { timeout: 300_000 }, () => {
  beforeEach((context) => {
    if (refused !== null) context.skip(refused);
  });
  afterEach(() => {
    delete process.env['BANDALIGN_DEVICE_MEMORY'];
  });

  const { patches, bandMax, ...inputs } = makeCase(12, [4, 4, 16, 12], 256);
  const bytes = 4 * 4 * 16 * 12;

  /** Two epochs of the same two batches: what was read in each, and the errors. */
  const epochs = async (limit: number | undefined) => {
    const store = patchStore(card, { bandMax, bytes: limit })!;
    const batches = [
      [0, 1],
      [2, 3],
    ];
    const read: number[][][] = [];
    const errors: PixelError[] = [];
    try {
      for (let epoch = 0; epoch < 2; epoch++) {
        const planned = store.plan(batches);
        read.push(planned.map((rows) => [...rows]));
        for (const rows of batches) {
          const resident = await store.batch(rows, async () => planned.shift()!.map((row) => patches[row]));
          const lut = inputs.lut.subarray(0, 2 * 4 * 256);
          errors.push(await card.pixelError({ ...inputs, lut, bandMax, patches: resident }));
        }
      }
    } finally {
      store.dispose();
    }
    return { read, errors };
  };

  test('stay there once they are, and those beyond the limit are brought anew', async () => {
    const all = await epochs(undefined);
    expect(all.read).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [],
    ]);
    const some = await epochs(3 * bytes);
    expect(some.read).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [[3]],
    ]);
    expect(some.errors).toEqual(all.errors);
    process.env['BANDALIGN_DEVICE_MEMORY'] = '0';
    const none = await epochs(undefined);
    expect(none.read[1]).toEqual(none.read[0]);
    expect(none.errors).toEqual(all.errors);
  });

  test('BANDALIGN_DEVICE_MEMORY must be a size', () => {
    process.env['BANDALIGN_DEVICE_MEMORY'] = 'much';
    expect(() => patchStore(card, { bandMax })).toThrow(
      'BANDALIGN_DEVICE_MEMORY: much; MiB of pixels kept on the device, 0 or more',
    );
  });
});

test("an engine that reads the host's memory keeps no patches", () => {
  expect(patchStore(cpu, { bandMax: [1000] })).toBeNull();
});

test('more bands than the shaders take are a fault', async (context) => {
  if (refused !== null) return context.skip(refused);
  await expect(card.pixelError(makeCase(3, [1, 17, 8, 8], 4))).rejects.toThrow(
    /^webgpu: 17 bands of 4 knots; .*--backend cpu$/,
  );
});

test('a lost device is a fault that says how to go on, and is opened anew', {
  timeout: 300_000,
}, async (context) => {
  if (refused !== null) return context.skip(refused);
  const given = makeCase(5, [2, 2, 20, 20], 16);
  const before = await card.pixelError(given);
  loseDevice();
  await expect(card.pixelError(given)).rejects.toThrow(
    /^backend: webgpu failed \(.+\); the last checkpoint is kept, --resume --backend cpu goes on$/,
  );
  card = await openEngine('webgpu');
  memory = card.patchMemory!;
  expect(await card.pixelError(given)).toEqual(before);
});

test('an engine whose numbers are off, or none, is refused', () => {
  const result: PixelError = {
    mse: 5,
    running: new Float32Array(2),
    dLut: Float32Array.of(1, 2, 3),
    dConv: Float32Array.of(4, 5),
  };
  expect(disagreement(result, result)).toBeNull();
  const off = { ...result, dConv: result.dConv.map((value) => value * 1.01) };
  expect(disagreement(off, result)).toMatch('gradient by 1.0e-2');
  expect(disagreement({ ...result, mse: Number.NaN }, result)).not.toBeNull();
  expect(
    disagreement(
      { ...result, dLut: result.dLut.fill(Number.NaN) },
      { ...result, dLut: Float32Array.of(1, 2, 3) },
    ),
  ).not.toBeNull();
});

test('a device with little memory for its workgroups gets smaller shapes, and none where nothing fits', () => {
  const limits = {
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxStorageBufferBindingSize: 2 ** 27,
    maxUniformBufferBindingSize: 65536,
    maxBufferSize: 2 ** 28,
  };
  const shapeWith = (bytes: number, bands: number, knots = 256) =>
    shaderShape({ limits: { ...limits, maxComputeWorkgroupStorageSize: bytes } }, 32, bands, knots);
  expect(shapeWith(49152, 4)).toMatchObject({ tile: 16, ownSums: true });
  expect(shapeWith(16384, 4)).toMatchObject({ tile: 8, ownSums: true });
  expect(shapeWith(32768, 4, 4096)).toMatchObject({ tile: 16, ownSums: false });
  expect(shapeWith(4096, 4, 4096)).toMatchObject({ tile: 8, ownSums: false });
  expect(shapeWith(2048, 4)).toBeNull();
  expect(shapeWith(49152, 17)).toBeNull();
});
