import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reason } from '../../src/fault.js';
import { type Form, insistOnForm } from '../../src/ops/form.js';
import { evaluateAlign } from '../../src/ops/fused/align-evaluate.js';
import {
  type PixelGradient,
  type PixelLossInputs,
  pixelGradient,
  releasePatch,
  uploadPatch,
} from '../../src/ops/resident-loss.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';
import { gpuDevice } from '../../src/ops/wgsl/gpu.js';
import { shaderShape } from '../../src/ops/wgsl/shader-shape.js';
import { random, randomPatch, relativeDifference } from '../engine/pixels.js';
import { useTestDriver } from '../engine/test-driver.js';

let refused: string | null = null;
beforeAll(async () => {
  useTestDriver();
  await startTensorflow('webgpu').catch((error: unknown) => {
    if (process.env['BANDALIGN_TEST_WEBGPU']) throw error;
    refused = reason(error);
  });
}, 300_000);
afterAll(async () => {
  insistOnForm(null);
  await startTensorflow('cpu');
});

type Case = Omit<PixelLossInputs<ReturnType<typeof randomPatch>>, 'bandMax'> & {
  bandMax: number[];
  knots: number;
};

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
  return { lut, conv, running, patches, bandMax, norm, knots };
};

const onCpu = ({ lut, conv, running, patches, bandMax, norm, knots }: Case): PixelGradient => {
  const given = { batch: patches, bandMax, norm, gradient: true };
  const result = evaluateAlign(lut, knots, conv, running, given);
  return { mse: result.mse, running: result.running, ofLut: result.lut, ofConv: result.conv };
};

const onCard = async (
  { patches, knots, ...inputs }: Case,
  form: Form | null = null,
): Promise<PixelGradient> => {
  insistOnForm(form);
  const resident = patches.map((patch) => uploadPatch(patch, knots, inputs.bandMax));
  try {
    return await pixelGradient({ ...inputs, patches: resident });
  } finally {
    resident.forEach(releasePatch);
    insistOnForm(null);
  }
};

const compare = (card: PixelGradient, cpu: PixelGradient): void => {
  expect(Math.abs(card.mse - cpu.mse)).toBeLessThanOrEqual(1e-5 * cpu.mse);
  expect(relativeDifference(cpu.running, card.running)).toBeLessThan(1e-5);
  expect(relativeDifference(cpu.ofLut, card.ofLut)).toBeLessThan(1e-4);
  expect(relativeDifference(cpu.ofConv, card.ofConv)).toBeLessThan(1e-4);
};

describe('the loss of resident pixels in shaders', { timeout: 300_000 }, () => {
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
      compare(await onCard(given), onCpu(given));
    }
  });

  test('is the same to the bit each time', async () => {
    const given = makeCase(5, [2, 4, 40, 36], 256);
    const first = await onCard(given);
    for (let i = 0; i < 3; i++) expect(await onCard(given)).toEqual(first);
  });

  test('knows samples without a valid pixel, and a batch of none', async () => {
    const given = makeCase(6, [2, 4, 40, 36], 256);
    given.patches[0].mask.fill(0);
    compare(await onCard(given), onCpu(given));
    given.patches[1].mask.fill(0);
    const card = await onCard(given);
    expect(card.mse).toBe(0);
    expect([...card.ofLut, ...card.ofConv].every((value) => value === 0)).toBe(true);
    expect(relativeDifference(onCpu(given).running, card.running)).toBeLessThan(1e-5);
  });

  test('adds without overflow where all pixels have one value and large errors', async () => {
    const given = makeCase(7, [1, 4, 64, 64], 256);
    given.patches[0].source.fill(1500);
    given.patches[0].target.fill(-32768);
    given.lut.fill(32767);
    compare(await onCard(given), onCpu(given));
  });

  test('is what the composed form computes', async () => {
    const given = makeCase(8, [2, 4, 40, 36], 256);
    const composed = await onCard(given, 'composed');
    const fused = await onCard(given);
    expect(Math.abs(fused.mse / composed.mse - 1)).toBeLessThan(1e-4);
    expect(relativeDifference(composed.ofLut, fused.ofLut)).toBeLessThan(1e-3);
    expect(relativeDifference(composed.ofConv, fused.ofConv)).toBeLessThan(1e-3);
  });

  test('keeps to the buffers of its first step, and gives all back with the last patch', async () => {
    const { patches, knots, ...inputs } = makeCase(9, [2, 4, 40, 36], 256);
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
      const resident = patches.map((patch) => uploadPatch(patch, knots, inputs.bandMax));
      await pixelGradient({ ...inputs, patches: resident });
      const before = made;
      for (let i = 0; i < 100; i++) await pixelGradient({ ...inputs, patches: resident });
      expect(made).toBe(before);
      expect(living).toBe(before);
      resident.forEach(releasePatch);
      expect(living).toBe(0);
    } finally {
      device.createBuffer = createBuffer;
    }
  });
});

test('a device with little memory for its workgroups gets smaller shapes, and none where nothing fits', () => {
  const limits = {
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxStorageBufferBindingSize: 2 ** 27,
    maxUniformBufferBindingSize: 65536,
  };
  const shapeWith = (bytes: number, bands: number, knots = 256) =>
    shaderShape({ limits: { ...limits, maxComputeWorkgroupStorageSize: bytes } }, bands, knots);
  expect(shapeWith(49152, 4)).toMatchObject({ tile: 16, ownSums: true });
  expect(shapeWith(16384, 4)).toMatchObject({ tile: 8, ownSums: true });
  expect(shapeWith(32768, 4, 4096)).toMatchObject({ tile: 16, ownSums: false });
  expect(shapeWith(4096, 4, 4096)).toMatchObject({ tile: 8, ownSums: false });
  expect(shapeWith(2048, 4)).toBeNull();
  expect(shapeWith(49152, 17)).toBeNull();
});
