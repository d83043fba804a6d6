import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../config/random.js';
import type { PatchPixels } from '../dataset/patch.js';
import { identityKnots } from '../dataset/statistics-table.js';
import { type Experiment, resolveExperiment } from '../experiments/experiment.js';
import type { BackendDevice, BackendName } from './backends.js';
import { deviceStep, statisticsStep, trainStep } from './fit.js';
import { freshState, networkLayout } from './network.js';
import { openBackend, openStepper } from './open-stepper.js';
import { workingCopy } from './state.js';
import type { TrainingBatch } from './stepper.js';

/** Milliseconds of a training step at the published size: 4 patches of 512², 4 bands, 256 knots. */
export interface StepTimes {
  /** The UNet-LUT, trained from statistics. */
  lut: number;
  /** With the conv module, trained from pixels; null where a step of a sixteenth of them took too long already. */
  conv: number | null;
}

const samples = 4;

/** A batch whose numbers are random, and whose sizes are those of the published recipe. */
const randomBatch = ({ data, model, seed }: Experiment, side: number): TrainingBatch => {
  const { next } = seededRandom(seed, 'time-steps');
  const bands = data.bands.length;
  const rows = samples * bands;
  const histograms = Array.from({ length: samples }, () =>
    Float64Array.from({ length: bands * data.bins }, () => Math.floor(2000 * next())),
  );
  if (!model.conv) {
    const identity = Float32Array.from(data.bandMax.flatMap((max) => [...identityKnots(max, model.knots)]));
    const values = (scale: number): Float32Array =>
      Float32Array.from({ length: rows * model.knots }, () => scale * next());
    const [diagonal, offDiagonal, linear] = [values(1000), values(300), values(10_000)];
    const filled = (value: number): Float64Array => new Float64Array(rows).fill(value);
    const statistics = {
      diagonal,
      offDiagonal,
      linear,
      constant: filled(1e8),
      count: filled(side * side),
      identity,
    };
    return { histograms, statistics, pixels: null };
  }
  const image = (): Int16Array =>
    Int16Array.from(
      { length: bands * side * side },
      (_, i) => data.bandMax[Math.floor(i / side ** 2)] * next(),
    );
  const pixels = Array.from({ length: samples }, (): PatchPixels => {
    const mask = new Uint8Array(side * side).fill(1);
    return { width: side, height: side, bands, source: image(), target: image(), mask };
  });
  return { histograms, statistics: null, pixels };
};

/** Of a training from pixels. */
const noStatistics = {
  ...{ diagonal: new Float32Array(), offDiagonal: new Float32Array(), linear: new Float32Array() },
  ...{ constant: new Float64Array(), count: new Float64Array() },
};

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1];

const timeOf = async (
  name: BackendName,
  conv: boolean,
  seconds: number,
  side: number,
  signal?: AbortSignal,
): Promise<number> => {
  const experiment = resolveExperiment({ backend: name, model: { conv } });
  const layout = networkLayout(experiment);
  const stepper = await openStepper(experiment, layout);
  const batch = randomBatch(experiment, side);
  const { histograms, statistics } = batch;
  const rows = histograms.map((_, row) => row);
  const source = {
    table: { bandMax: experiment.data.bandMax, ...(statistics ?? noStatistics) },
    ...{ rows, histogram: (row: number) => histograms[row], constants: {} },
  };
  const device = await stepper.openDeviceTraining(source);
  const training = statistics && !device ? stepper.openTraining(source) : null;
  const state = workingCopy(freshState(experiment, layout), training ?? undefined);
  device?.load(state);
  // as in training, from the second epoch on
  const store = batch.pixels && stepper.openPatches();
  if (store) {
    store.plan([rows]);
    batch.resident = await store.batch(rows, async () => [...batch.pixels!]);
  }
  /** Steps that are sent and not waited for are timed together. */
  const atOnce = device ? 16 : 1;
  const turn = async (): Promise<void> => {
    if (device) {
      for (let step = 0; step < atOnce; step++)
        await deviceStep(experiment, device, state, rows, batch.resident ?? null, 1e-6);
      await device.settle();
    } else if (training) statisticsStep(experiment, training, state, rows, 1e-6);
    else await trainStep(experiment, stepper, state, {}, batch, 1e-6);
  };
  const times: number[] = [];
  // the first turn compiles and does not count
  for (let done = 0, end = 0; done < 2 || performance.now() < end; done++) {
    signal?.throwIfAborted();
    const started = performance.now();
    await turn();
    const now = performance.now();
    if (done === 0) end = now + seconds * 1000;
    else times.push((now - started) / atOnce);
    await setImmediate();
  }
  store?.dispose();
  training?.dispose();
  device?.dispose();
  return median(times);
};

/** A step of a sixteenth of the pixels that takes more milliseconds than this: the whole step is not timed. */
const tooSlow = 3000;

/**
 * Times both training steps of the UNet-LUT on a backend: the median over `seconds` each, of at least one step.
 *
 * @param side pixels of a patch's side, 512 as published
 * @throws Fault where the backend does not work here
 */
export const timePublishedSteps = async (
  name: BackendName,
  seconds: number,
  side = 512,
  signal?: AbortSignal,
): Promise<StepTimes & BackendDevice> => {
  const { version, device, isGpu } = await openBackend(resolveExperiment({ backend: name }));
  const lut = await timeOf(name, false, seconds, side, signal);
  const small = await timeOf(name, true, 0, side / 4, signal);
  const conv = small > tooSlow ? null : await timeOf(name, true, seconds, side, signal);
  return { version, device, isGpu, lut, conv };
};
