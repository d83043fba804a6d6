import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { identityKnots } from '../../src/dataset/statistics-table.js';
import { type AdamRates, adamStep } from '../../src/engine/adam.js';
import type { DeviceTraining, TrainingVectors } from '../../src/engine/device-training.js';
import { type Engine, openEngine, type ResidentPatch } from '../../src/engine/engine.js';
import { convLayout, initialise, initialRunning, type UnetSpec } from '../../src/engine/layout.js';
import { stepGradient, stepShape, type WeightedPenalty } from '../../src/engine/step.js';
import { loseDevice } from '../../src/engine/webgpu/device.js';
import { reason } from '../../src/fault.js';
import { monotonicity } from '../../src/losses/monotonicity.js';
import { totalVariation } from '../../src/losses/tv.js';
import { statisticsBatch } from '../../src/training/fit.js';
import { random, randomPatch, relativeDifference } from './pixels.js';
import { useTestDriver } from './test-driver.js';

let refused: string | null = null;
let cpu: Engine;
let card: Engine;
beforeAll(async () => {
  useTestDriver();
  process.env['BANDALIGN_DEVICE_UNET'] = '1';
  cpu = await openEngine('cpu');
  try {
    card = await openEngine('webgpu');
  } catch (error) {
    if (process.env['BANDALIGN_TEST_WEBGPU']) throw error;
    refused = reason(error);
  }
}, 300_000);

interface Case {
  spec: UnetSpec;
  conv: boolean;
  /** Patches of each step's batch. */
  batches: number[][];
  /** Of the largest batch that the device is prepared for. */
  room: number;
  penalties: { tv: number; monotonicity: number };
  corrects: boolean;
  ema: boolean;
  norm: 'batch' | 'running';
  /** Height and width. */
  size: [number, number];
}

const published: UnetSpec = { bands: 4, knots: 256, width: 8, depth: 4, norm: 'batch', groups: 4 };
const plain: Case = {
  spec: published,
  conv: false,
  batches: [[0, 1, 2, 3], [4, 5, 6, 0], [2]],
  room: 12,
  penalties: { tv: 0.01, monotonicity: 0.01 },
  corrects: false,
  ema: false,
  norm: 'batch',
  size: [24, 20],
};

const rates = (step: number): AdamRates => ({
  ...{ step, lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, emaDecay: 0.99 },
});

/** What both engines train on: seven patches, a fresh state. */
const makeInput = ({ spec, conv, room, penalties, corrects, ema, size: [height, width] }: Case) => {
  const { bands, knots } = spec;
  const next = random(knots + bands);
  const count = 7;
  const bandMax = Array.from({ length: bands }, (_, band) => [3000, 3000, 4000, 6500][band % 4]);
  const floats = (rows: number, scale: number): Float32Array =>
    Float32Array.from({ length: rows * bands * knots }, () => scale * next());
  const table = {
    ...{ bands, knots, bandMax },
    diagonal: floats(count, 100).map((value) => value + 20),
    offDiagonal: floats(count, 10).map((value, i) => (i % knots === knots - 1 ? 0 : value)),
    linear: floats(count, 1000),
    constant: Float64Array.from({ length: count * bands }, () => 1e8 * (1 + next())),
    count: Float64Array.from({ length: count * bands }, (_, i) => 300 + Math.floor(i / bands)),
  };
  const inputs = floats(count, 1);
  const patches = Array.from({ length: count }, () => randomPatch(next, [bands, height, width], 3500));
  patches[1].mask.fill(0);
  const shape = stepShape(spec, conv);
  const theta = new Float32Array(shape.parameterCount);
  theta.set(initialise(shape.unet, next));
  const running = new Float32Array(shape.runningCount);
  running.set(initialRunning(shape.unet));
  if (conv) {
    theta.set(initialise(convLayout(bands), next), shape.unet.parameterCount);
    running.set(initialRunning(convLayout(bands)), shape.unet.runningCount);
  }
  // LUTs away from the ReLU's corner
  if (!corrects) theta.fill(3, shape.unet.parameterCount - bands, shape.unet.parameterCount);
  const base = corrects
    ? Float32Array.from(bandMax.flatMap((max) => [...identityKnots(max, knots)].map((v) => 0.9 * v + 50)))
    : null;
  const vectors = (): TrainingVectors => ({
    theta: theta.slice(),
    m: new Float32Array(theta.length),
    v: new Float32Array(theta.length),
    ema: ema ? theta.slice() : null,
    running: running.slice(),
  });
  const input = {
    ...{ spec, conv, scale: 100, base, weights: penalties, ema, table: table as never },
    rows: patches.map((_, row) => row),
    writeInput: (row: number, out: Float32Array, offset: number): void => {
      const size = bands * knots;
      out.set(inputs.subarray(row * size, (row + 1) * size), offset);
    },
    batchSize: room,
  };
  return { input, vectors, patches, shape, inputs, bandMax };
};

type Made = ReturnType<typeof makeInput>;

/** Losses of each step, and the vectors after the first and the last. */
interface Trained {
  losses: number[][];
  first: TrainingVectors;
  last: TrainingVectors;
}

const onCpu = async (
  { input, vectors, patches, shape, inputs, bandMax }: Made,
  of: Case,
): Promise<Trained> => {
  const { bands, knots } = of.spec;
  const weighed: WeightedPenalty[] = [
    { ...totalVariation, weight: of.penalties.tv },
    { ...monotonicity, weight: of.penalties.monotonicity },
  ];
  const state = vectors();
  const losses: number[][] = [];
  let first = state;
  const size = bands * knots;
  for (const [i, rows] of of.batches.entries()) {
    const batch = new Float32Array(rows.length * size);
    for (const [j, row] of rows.entries()) batch.set(inputs.subarray(row * size, (row + 1) * size), j * size);
    const result = await stepGradient(
      cpu,
      shape,
      { scale: input.scale, bandMax, penalties: weighed },
      { theta: state.theta, running: state.running, base: input.base },
      {
        ...{ input: batch, samples: rows.length },
        statistics: of.conv ? null : statisticsBatch(input.table, rows),
        pixels: of.conv ? rows.map((row) => patches[row]) : null,
      },
      of.norm,
    );
    losses.push([result.mse, ...result.penalties, result.loss]);
    state.running.set(result.running);
    adamStep({ ...state, gradient: result.gradient, ...rates(i + 1) });
    if (i === 0) first = structuredClone(state);
  }
  return { losses, first, last: state };
};

/** How far one unit in the last place of the weights moves cpu's own gradient: ReLUs and pools switch. */
const sensitivity = async (made: Made, of: Case, first: TrainingVectors): Promise<number> => {
  const vectors = (): TrainingVectors => {
    const all = made.vectors();
    return { ...all, theta: all.theta.map((value, i) => value * (1 + (i % 2 === 0 ? 6e-8 : -6e-8))) };
  };
  const moved = await onCpu({ ...made, vectors }, { ...of, batches: of.batches.slice(0, 1) });
  return relativeDifference(first.m, moved.first.m);
};

const upload = (patches: readonly PatchPixels[], bandMax: readonly number[]): Promise<ResidentPatch[]> =>
  card.patchMemory!.upload(patches, bandMax);

const onCard = async ({ input, vectors, patches, bandMax }: Made, of: Case): Promise<Trained> => {
  const training = (await card.openTraining(input))!;
  expect(training).not.toBeNull();
  const resident = of.conv ? await upload(patches, bandMax) : null;
  const losses: number[][] = [];
  const keep = (all: Awaited<ReturnType<DeviceTraining['settle']>>): void => {
    for (const { mse, tv, monotonicity: falls, loss } of all) losses.push([mse, tv, falls, loss]);
  };
  let first = vectors();
  try {
    training.load(first);
    for (const [i, rows] of of.batches.entries()) {
      const own = resident && rows.map((row) => resident[row]);
      keep(await training.step(rows, own, of.norm, rates(i + 1)));
      if (i > 0) continue;
      keep(await training.settle());
      await training.read(first);
      first = structuredClone(first);
    }
    keep(await training.settle());
    const last = vectors();
    await training.read(last);
    return { losses, first, last };
  } finally {
    training.dispose();
    if (resident) card.patchMemory!.release(resident);
  }
};

/** Trains on both engines, and compares. */
const compare = async (of: Case): Promise<void> => {
  const made = makeInput(of);
  const [here, there] = [await onCpu(made, of), await onCard(made, of)];
  expect(there.losses).toHaveLength(here.losses.length);
  for (const [step, losses] of here.losses.entries())
    for (const [i, value] of losses.entries())
      expect(Math.abs(there.losses[step][i] - value), `step ${step}, loss ${i}`).toBeLessThanOrEqual(
        (step === 0 ? 1e-4 : 5e-3) * Math.max(Math.abs(value), 1e-6),
      );
  // the first moments are a tenth of the gradient
  expect(relativeDifference(here.first.m, there.first.m)).toBeLessThan(
    Math.max(1e-3, 4 * (await sensitivity(made, of, here.first))),
  );
  expect(relativeDifference(here.first.running, there.first.running)).toBeLessThan(1e-4);
  expect(relativeDifference(here.last.theta, there.last.theta)).toBeLessThan(5e-3);
  if (of.ema) expect(relativeDifference(here.last.ema!, there.last.ema!)).toBeLessThan(5e-3);
};

describe('a training on the device', { timeout: 600_000 }, () => {
  beforeEach((context) => {
    if (refused !== null) context.skip(refused);
  });

  // a driver on the CPU takes seconds to make a layer's kernels: networks are shallow where depth shows nothing, and
  // cases of one network have the same room, so that they share its kernels
  const small: UnetSpec = { bands: 3, knots: 40, width: 4, depth: 1, norm: 'batch', groups: 2 };
  const odd: UnetSpec = { bands: 6, knots: 27, width: 4, depth: 2, norm: 'batch', groups: 2 };
  test.for<[string, Partial<Case>]>([
    [
      'the published network with its conv module',
      {
        conv: true,
        room: 4,
        batches: [
          [0, 1, 2, 3],
          [4, 5, 6],
        ],
      },
    ],
    ['a batch of one, three bands, 40 knots', { spec: small, batches: [[0], [3], [5]] }],
    ['six bands and odd lengths, conv module', { spec: odd, conv: true, room: 4, size: [17, 33] }],
    [
      'a correction of a base LUT by group norm, an average of the weights, no penalty',
      {
        spec: { ...small, norm: 'group' },
        conv: true,
        corrects: true,
        ema: true,
        penalties: { tv: 0, monotonicity: 0 },
        batches: [[0, 1, 2], [4]],
      },
    ],
    ['running statistics', { spec: small, norm: 'running', conv: true }],
    [
      'a batch of twelve',
      {
        spec: small,
        batches: [
          [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4],
          [5, 6, 2],
        ],
      },
    ],
  ])('is that of cpu: %s', ([, more]) => compare({ ...plain, ...more }));

  test('gives the same bits each time', async () => {
    const of = { ...plain, spec: small, conv: true };
    const made = makeInput(of);
    expect(await onCard(made, of)).toEqual(await onCard(made, of));
  });

  test('hands out the losses of many steps in order, and all of them', async () => {
    const of = { ...plain, spec: small, batches: Array.from({ length: 20 }, (_, i) => [i % 7, (i + 3) % 7]) };
    const made = makeInput(of);
    const [here, there] = [await onCpu(made, of), await onCard(made, of)];
    expect(there.losses).toHaveLength(20);
    for (const [step, losses] of here.losses.entries())
      expect(Math.abs(there.losses[step][3] / losses[3] - 1)).toBeLessThan(2e-2);
  });

  test('moves nothing from the first loss on that is not finite', async () => {
    const of = {
      ...plain,
      spec: small,
      batches: [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
      penalties: { ...plain.penalties, tv: 1e38 },
    };
    const made = makeInput(of);
    const { losses, first, last } = await onCard(made, of);
    expect(losses.map((all) => Number.isFinite(all[3]))).toEqual([false, false, false]);
    const fresh = made.vectors();
    expect(first.theta).toEqual(fresh.theta);
    expect(last.theta).toEqual(fresh.theta);
    expect(last.running).toEqual(fresh.running);
  });

  test('is not opened where the device has not the room', async () => {
    const made = makeInput({ ...plain, spec: { ...small, knots: 20_000 } });
    expect(await card.openTraining(made.input)).toBeNull();
  });

  test('says how to go on where the device is lost, and is opened anew, for a batch of one at most', async () => {
    const of = { ...plain, spec: small };
    const made = makeInput(of);
    const training = (await card.openTraining(made.input))!;
    training.load(made.vectors());
    await training.step([0, 1], null, 'batch', rates(1));
    loseDevice();
    await expect(training.settle()).rejects.toThrow(
      /^backend: webgpu failed \(.+\); the last checkpoint is kept, --resume --backend cpu goes on$/,
    );
    card = await openEngine('webgpu');
    await compare({ ...of, batches: [[0], [3], [5]], room: 1 });
  });
});
