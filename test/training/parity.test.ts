import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { readHistogramPickle } from '../../src/dataset/histogram-pickle.js';
import { openDataset } from '../../src/dataset/layout.js';
import type { Patch, PatchPixels } from '../../src/dataset/patch.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { buildTable } from '../../src/dataset/statistics-table.js';
import { type Experiment, resolveExperiment } from '../../src/experiments/experiment.js';
import { alignPixels } from '../../src/models/mapping.js';
import { flatten } from '../../src/models/tensor-file.js';
import { autogradStepper } from '../../src/training/autograd.js';
import { statisticsBatch, trainStep } from '../../src/training/fit.js';
import { convModule, type NetworkLayout, networkLayout } from '../../src/training/network.js';
import { openStepper } from '../../src/training/open-stepper.js';
import { readPth } from '../../src/training/pth.js';
import type { TrainingState } from '../../src/training/state.js';
import type { Stepper } from '../../src/training/stepper.js';
import { startTensorflow } from '../../src/training/tensorflow/start.js';
import { distance } from '../distance.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const shared = here('../../../shared');

interface Losses {
  mse: number;
  tv: number;
  mn: number;
  loss: number;
}
interface Manifest {
  arrays: Record<string, number[]>;
  batch0_files: string[];
  eval_losses: Losses;
  train_losses: Losses;
  eval_grad_l2: Record<string, number>;
  train_grad_l2: Record<string, number>;
  variants: Record<string, { steps: Losses[] }>;
}

const sets = [
  {
    name: 'synthetic',
    data: here('../fixtures/parity/data'),
    reference: here('../fixtures/parity/reference'),
  },
  { name: 'real', data: join(shared, 'data/s2a-s2b-tanzania'), reference: join(shared, 'reference') },
];

const floats = (path: string): Float32Array => {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

const variant = (conv: boolean, tv: boolean): Experiment =>
  resolveExperiment({
    backend: 'cpu',
    model: { conv },
    loss: tv ? { tv: 0.01, monotonicity: 0.01 } : {},
    train: { shuffle: false },
  });

/** What computes a step: the engine, and the definition in TensorFlow.js. */
const steppers: Record<string, (experiment: Experiment, layout: NetworkLayout) => Promise<Stepper>> = {
  'the engine': openStepper,
  'the definition': async (experiment, layout) => {
    await startTensorflow('cpu');
    return autogradStepper(experiment, layout, 'cpu');
  },
};

for (const set of sets) {
  describe.skipIf(!existsSync(set.data))(
    `the original program, ${set.name} data (skipped without ../shared)`,
    () => {
      let manifest: Manifest;
      let patches: Patch[];
      let histograms: Map<string, Float64Array>;
      let pixels: PatchPixels[];
      const full = variant(true, true);

      const start = async (experiment: Experiment): Promise<TrainingState> => {
        const path = join(set.reference, 'epochs_0.pth');
        const layout = networkLayout(experiment);
        const file = await readPth(path);
        const beside = (name: string): boolean => /^optimizer|num_batches|^conv1/.test(name);
        const [theta, running, convTheta, convRunning] = flatten(
          path,
          file,
          [
            { slots: layout.network.parameters },
            { slots: layout.network.running },
            { slots: layout.conv?.parameters ?? [] },
            { slots: layout.conv?.running ?? [] },
          ],
          beside,
        );
        const join2 = (a: Float32Array, b: Float32Array): Float32Array => {
          const out = new Float32Array(a.length + b.length);
          out.set(a);
          out.set(b, a.length);
          return out;
        };
        const all = join2(theta, convTheta);
        return {
          theta: all,
          running: join2(running, convRunning),
          m: new Float32Array(all.length),
          v: new Float32Array(all.length),
          ema: null,
          step: 0,
          epoch: 0,
          random: [],
          frozen: false,
          best: null,
        };
      };
      const counts = (some: Patch[]): Float64Array[] =>
        some.map((patch) => histograms.get(patch.id.split('/')[1])!);

      beforeAll(async () => {
        manifest = JSON.parse(readFileSync(join(set.reference, 'manifest.json'), 'utf8'));
        patches = (await openDataset(set.data, full.data)).lists.train;
        histograms = await readHistogramPickle(join(set.data, 'Patch512Historam256-S2.pickle'), 4, 256);
        pixels = await Promise.all(patches.map((patch) => readPatch(patch, full.data.bands)));
      });

      describe.each(Object.entries(steppers))('%s', (form, open) => {
        test('LUTs and predictions of the first batch, evaluation mode', async () => {
          const layout = networkLayout(full);
          const { theta, running } = await start(full);
          const weights = { theta, running, constants: {} };
          expect(patches.slice(0, 4).map(({ id }) => id)).toEqual(manifest.batch0_files);
          const luts = await (await open(full, layout)).predict(weights, counts(patches.slice(0, 4)));
          const lut = floats(join(set.reference, 'eval_lut.f32'));
          const predicted = floats(join(set.reference, 'eval_pred.f32'));
          const { bandMax } = full.data;
          for (const [i, patch] of pixels.slice(0, 4).entries()) {
            expect(distance(luts[i], lut.subarray(i * 1024, (i + 1) * 1024))).toBeLessThan(1e-5);
            const mapping = { form: 'lut', knots: 256, bandMax, values: luts[i] } as const;
            const out = alignPixels(mapping, convModule(layout, weights), patch);
            expect(distance(out, predicted.subarray(i * out.length, (i + 1) * out.length))).toBeLessThan(
              1e-5,
            );
          }
        });

        test.each(['eval', 'train'] as const)(
          'losses and gradients of the first batch, %s mode',
          async (mode) => {
            const layout = networkLayout(full);
            const { theta, running } = await start(full);
            const stepper = await open(full, layout);
            const step = await stepper.gradient(
              { theta, running, constants: {} },
              { histograms: counts(patches.slice(0, 4)), statistics: null, pixels: pixels.slice(0, 4) },
              mode === 'eval' ? 'running' : 'batch',
              0,
            );
            const expected = manifest[`${mode}_losses`];
            expect(step.mse / expected.mse).toBeCloseTo(1, 5);
            expect(step.penalties[0] / expected.tv).toBeCloseTo(1, 5);
            expect(step.penalties[1] / expected.mn).toBeCloseTo(1, 5);
            expect(step.loss / expected.loss).toBeCloseTo(1, 5);
            const slots = [
              ...layout.network.parameters,
              ...layout.conv!.parameters.map((slot) => ({
                ...slot,
                offset: slot.offset + layout.network.parameterCount,
              })),
            ];
            const norms = manifest[`${mode}_grad_l2`];
            for (const { name, offset, size } of slots) {
              const part = step.gradient.subarray(offset, offset + size);
              const norm = Math.sqrt(part.reduce((sum, value) => sum + value ** 2, 0));
              // a bias before a batch norm has no gradient but rounding: compared on the scale of its layer's weight
              const beforeNorm = mode === 'train' && /double_conv\.[03]\.bias|conv1\.0\.bias/.test(name);
              const tolerance = 1e-3 * norms[beforeNorm ? name.replace('bias', 'weight') : name];
              expect(Math.abs(norm - norms[name]), name).toBeLessThan(tolerance);
              const file = join(set.reference, `grad_${name}.f32`);
              // a pool or a ReLU may stand at its corner: of the real data's first batch one does, which weights moved by half a
              // unit in the last place turn to and fro, and up1.up.weight's gradient with it by 0.0021
              if (mode === 'train' && existsSync(file))
                expect(distance(part, floats(file)), name).toBeLessThan(3e-3);
            }
          },
        );

        test.each([
          ['unet-lut', false, false],
          ['unet-lut-tv', false, true],
          ['unet-lut-conv', true, false],
          ['unet-lut-conv-tv', true, true],
        ] as const)('losses of every step of %s', { timeout: 300_000 }, async (name, conv, tv) => {
          const experiment = variant(conv, tv);
          const layout = networkLayout(experiment);
          const stepper = await open(experiment, layout);
          const state = await start(experiment);
          const shapeOf = { bandMax: experiment.data.bandMax, knots: 256, bins: 256 };
          const table = buildTable(patches, pixels, shapeOf);
          const { steps } = manifest.variants[name];
          const perEpoch = Math.ceil(patches.length / 4);
          // TensorFlow.js takes a second a step
          const compared = form === 'the definition' ? 3 : steps.length;
          for (let i = 0; i < compared; i++) {
            const from = (i % perEpoch) * 4;
            const rows = patches.slice(from, from + 4).map((_, row) => from + row);
            const losses = await trainStep(
              experiment,
              stepper,
              state,
              {},
              {
                histograms: counts(patches.slice(from, from + 4)),
                statistics: conv ? null : statisticsBatch(table, rows),
                pixels: conv ? pixels.slice(from, from + 4) : null,
              },
              1e-3,
            );
            // Adam moves a weight by the learning rate however small its gradient, so float32 rounding in the gradient
            // grows with every step: PyTorch itself, with another build of its convolutions or in float64, leaves the
            // recorded losses by up to 2e-5 at step 1, 8e-4 at steps 2 to 4 and 2e-3 after (tv 3e-3, 2e-2 and 7e-2)
            const [close, closeTv] =
              i === 0 ? [1e-6, 1e-5] : i === 1 ? [2e-5, 3e-3] : i < 5 ? [1e-3, 2e-2] : [3e-3, 0.15];
            expect(Math.abs(losses.mse / steps[i].mse - 1), `mse of step ${i}`).toBeLessThan(close);
            expect(Math.abs(losses.loss / steps[i].loss - 1), `loss of step ${i}`).toBeLessThan(close);
            if (tv) expect(Math.abs(losses.tv / steps[i].tv - 1), `tv of step ${i}`).toBeLessThan(closeTv);
          }
        });
      });
    },
  );
}
