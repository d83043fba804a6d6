import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reason } from '../../src/fault.js';
import { alignLoss } from '../../src/ops/align-loss.js';
import { type Form, insistOnForm } from '../../src/ops/form.js';
import {
  type PixelGradient,
  type PixelLossInputs,
  pixelGradient,
  releasePatch,
  uploadPatch,
} from '../../src/ops/resident-loss.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';
import { random, randomPatch, relativeDifference } from './pixels.js';
import { useTestDriver } from './test-driver.js';

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

const onCpu = async ({ lut, conv, running, patches, bandMax, norm, knots }: Case): Promise<PixelGradient> => {
  await startTensorflow('cpu');
  insistOnForm('fused');
  try {
    let kept: tf.Tensor | null = null;
    const { value, grads } = tf.valueAndGrads((l, c) => {
      const loss = alignLoss({
        lut: l as tf.Tensor3D,
        conv: c as tf.Tensor1D,
        running: tf.tensor1d(running),
        batch: patches,
        bandMax,
        norm,
      });
      kept = tf.keep(loss.running);
      return loss.mse;
    })([tf.tensor3d(lut, [patches.length, bandMax.length, knots]), tf.tensor1d(conv)]);
    const [ofLut, ofConv] = grads.map((grad) => grad.dataSync() as Float32Array);
    return { mse: value.dataSync()[0], running: kept!.dataSync(), ofLut, ofConv };
  } finally {
    insistOnForm(null);
  }
};

const onCard = async (
  { patches, knots, ...inputs }: Case,
  form: Form | null = null,
): Promise<PixelGradient> => {
  await startTensorflow('webgpu');
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

describe('the loss of resident pixels in shaders', () => {
  test.for([
    [2, 4, 40, 36],
    [1, 4, 64, 64],
    [3, 1, 17, 5],
    [2, 2, 12, 12],
    [1, 3, 1, 33],
    [2, 5, 33, 18],
    [1, 8, 20, 31],
  ] as const)(
    'is that of cpu for [samples, bands, height, width] %s',
    { timeout: 120_000 },
    async (sizes, context) => {
      if (refused !== null) return context.skip(refused);
      for (const norm of ['batch', 'running'] as const)
        for (const knots of [256, 7]) {
          const given = makeCase(sizes[2] * sizes[3] + knots, sizes, knots, norm);
          const card = await onCard(given);
          const cpu = await onCpu(given);
          console.log(
            sizes,
            norm,
            knots,
            Math.abs(card.mse / cpu.mse - 1),
            relativeDifference(cpu.running, card.running),
            relativeDifference(cpu.ofLut, card.ofLut),
            relativeDifference(cpu.ofConv, card.ofConv),
          );
          compare(card, cpu);
        }
    },
  );
});
