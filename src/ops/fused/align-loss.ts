import * as tf from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../../dataset/patch.js';
import type { AlignLoss, AlignLossInputs } from '../align-loss.js';
import { expandBand, knotPositions } from '../apply-mapping.js';
import { type AlignPlan, control, failedAt, planAlign, scratchAt, writePlan } from './align-plan.js';
import { arrangeWeights } from './conv-weights.js';
import { loadKernel } from './load.js';
import { reserve, sharedMemory, startThreads, threadCount } from './threads.js';

/** kernels/align.entry.ts */
interface AlignKernel {
  runPass(control: number, pass: number, plan: number, units: number): number;
}

const pass = { conv: 0, error: 1, gradient: 2, whole: 3 } as const;

const epsilon = 1e-5;
const momentum = 0.1;

interface Room {
  memory: WebAssembly.Memory;
  kernel: AlignKernel;
  threads: number;
  key: string;
  plan: AlignPlan | null;
}

let room: Room | null = null;

/** The one memory of the process, planned for this batch; planned anew only when the patches change their size. */
const roomFor = (batch: readonly PatchPixels[], bandMax: readonly number[]): Room & { plan: AlignPlan } => {
  if (!room) {
    const memory = sharedMemory();
    room = { memory, kernel: loadKernel<AlignKernel>('align', memory), threads: 1, key: '', plan: null };
  }
  const { width, height } = batch[0];
  const key = `${width}×${height}×${bandMax.join()}`;
  const wanted = threadCount();
  if (!room.plan || room.key !== key || room.plan.samples < batch.length || wanted > room.threads) {
    const samples = Math.max(batch.length, room.key === key ? (room.plan?.samples ?? 0) : 0);
    const plan = planAlign({ samples, width, height, bandMax }, Math.max(wanted, room.threads));
    reserve(room.memory, plan.bytes + 1024);
    writePlan(plan, bandMax, room.memory.buffer);
    const words = new Uint32Array(room.memory.buffer);
    for (let thread = 0; thread < Math.max(wanted, room.threads); thread++)
      words[scratchAt / 4 + thread] = plan.scratch + thread * plan.scratchBytes;
    startThreads('align', room.memory, control, failedAt, room.threads, wanted);
    room = { ...room, key, plan, threads: Math.max(wanted, room.threads) };
  }
  return room as Room & { plan: AlignPlan };
};

interface Result {
  mse: number;
  running: Float32Array;
  lut: Float32Array;
  conv: Float32Array;
}

/** Mean and biased variance of z from the units' moments (Chan et al. 1983), in float64. */
const combineMoments = (
  sums: Float64Array,
  { bands, sumBytes, stripRows, ...plan }: AlignPlan,
  units: number,
) => {
  const mean = new Float64Array(bands);
  const variance = new Float64Array(bands);
  let n = 0;
  for (let unit = 0; unit < units; unit++) {
    const at = (unit * sumBytes) / 8;
    const rows = Math.min(stripRows, plan.height - (unit % plan.strips) * stripRows);
    const count = rows * plan.width;
    for (let band = 0; band < bands; band++) {
      const shift = sums[at + bands + band] / count;
      // the kernel subtracts the reference in float32
      const own = Math.fround(sums[at + band]) + shift;
      const squares = sums[at + 2 * bands + band] - count * shift * shift;
      const delta = own - mean[band];
      mean[band] += (delta * count) / (n + count);
      variance[band] += squares + (delta * delta * n * count) / (n + count);
    }
    n += count;
  }
  return { mean, variance: variance.map((squares) => Math.max(squares, 0) / n) };
};

const evaluate = (
  lut: Float32Array,
  knots: number,
  conv: Float32Array,
  running: Float32Array,
  {
    batch,
    bandMax,
    norm,
    gradient,
  }: Pick<AlignLossInputs, 'batch' | 'bandMax' | 'norm'> & { gradient: boolean },
): Result => {
  const { memory, kernel, plan } = roomFor(batch, bandMax);
  const { bands } = plan;
  const { buffer } = memory;
  const floats = new Float32Array(buffer);
  const units = batch.length * plan.strips;
  const run = (which: number): void => {
    if (kernel.runPass(control, which, plan.address, units) !== 0)
      throw new Error('kernel align: a thread failed');
  };

  batch.forEach(({ source, target, mask }, sample) => {
    const at = plan.pixels + sample * plan.pixelBytes;
    new Int16Array(buffer, at, source.length).set(source);
    new Int16Array(buffer, at + plan.sourceBytes, target.length).set(target);
    new Uint8Array(buffer, at + 2 * plan.sourceBytes, mask.length).set(mask);
    let table = plan.tables + sample * plan.tableBytes;
    bandMax.forEach((max, band) => {
      expandBand(lut, (sample * bands + band) * knots, knots, max, new Float32Array(buffer, table, max));
      table += 4 * max;
    });
  });
  const weights = bands * bands * 9;
  arrangeWeights(conv, bands, false, floats.subarray(plan.forward / 4));
  arrangeWeights(conv, bands, true, floats.subarray(plan.backward / 4));
  const bias = conv.subarray(weights, weights + bands);
  const gamma = conv.subarray(weights + bands, weights + 2 * bands);
  const beta = conv.subarray(weights + 2 * bands, weights + 3 * bands);

  const sums = new Float64Array(buffer, plan.sums, (units * plan.sumBytes) / 8);
  const summed = (at: number): number => {
    let total = 0;
    for (let unit = 0; unit < units; unit++) total += sums[(unit * plan.sumBytes) / 8 + at];
    return total;
  };
  const perBand = (of: (band: number) => number): Float64Array =>
    Float64Array.from({ length: bands }, (_, band) => of(band));
  const setConstants = (at: number, values: Float64Array | Float32Array): void => floats.set(values, at / 4);

  const kept = Float32Array.from(running);
  const pixels = batch.length * plan.width * plan.height;
  let mean = perBand((band) => running[band] - bias[band]);
  let variance = perBand((band) => running[bands + band]);
  if (norm === 'batch' || !gradient) run(pass.conv);
  if (norm === 'batch') {
    ({ mean, variance } = combineMoments(sums, plan, units));
    for (let band = 0; band < bands; band++) {
      const unbiased = (variance[band] * pixels) / Math.max(pixels - 1, 1);
      kept[band] = (1 - momentum) * running[band] + momentum * (mean[band] + bias[band]);
      kept[bands + band] = (1 - momentum) * running[bands + band] + momentum * unbiased;
    }
  }
  const inverse = perBand((band) => 1 / Math.sqrt(variance[band] + epsilon));
  const scale = perBand((band) => gamma[band] * inverse[band]);
  setConstants(plan.mean, mean);
  setConstants(plan.scale, scale);
  setConstants(plan.beta, beta);
  setConstants(plan.level, new Float64Array(bands));
  setConstants(plan.slope, new Float64Array(bands));
  run(norm === 'running' && gradient ? pass.whole : pass.error);

  const errors = 3 * bands;
  const valid = summed(errors);
  const mse = summed(errors + 1) / (Math.max(valid, 1) * bands);
  const result = {
    mse,
    running: kept,
    lut: new Float32Array(lut.length),
    conv: new Float32Array(conv.length),
  };
  if (!gradient || valid === 0) return result;

  const factor = 2 / (valid * bands);
  const level = perBand((band) => summed(errors + 2 + band));
  const slope = perBand((band) => summed(errors + 2 + bands + band));
  if (norm === 'batch') {
    setConstants(
      plan.level,
      level.map((sum, band) => (scale[band] * sum) / pixels),
    );
    setConstants(
      plan.slope,
      slope.map((sum, band) => (scale[band] * inverse[band] ** 2 * sum) / pixels),
    );
    run(pass.gradient);
  }
  for (let band = 0; band < bands; band++) {
    // the batch's mean takes the bias away again
    result.conv[weights + band] = norm === 'batch' ? 0 : factor * scale[band] * level[band];
    result.conv[weights + bands + band] = factor * inverse[band] * slope[band];
    result.conv[weights + 2 * bands + band] = factor * level[band];
  }
  const first = 5 * bands + 2;
  for (let output = 0; output < bands; output++)
    for (let tap = 0; tap < 9 * bands; tap++)
      result.conv[output * bands * 9 + tap] = factor * summed(first + tap * plan.channels + output);
  foldTables(floats, plan, batch.length, bandMax, knots, factor, result.lut);
  return result;
};

/** The gradient of the knots from that of the values between them. */
const foldTables = (
  floats: Float32Array,
  plan: AlignPlan,
  samples: number,
  bandMax: readonly number[],
  knots: number,
  factor: number,
  out: Float32Array,
): void => {
  const { strips, tableBytes, bands } = plan;
  for (let sample = 0; sample < samples; sample++) {
    let offset = 0;
    bandMax.forEach((max, band) => {
      const { knot, weight } = knotPositions(knots, max);
      const sums = new Float64Array(knots);
      const start = (plan.gradients + sample * strips * tableBytes) / 4 + offset;
      for (let v = 0; v < max; v++) {
        let sum = 0;
        for (let strip = 0; strip < strips; strip++) sum += floats[start + (strip * tableBytes) / 4 + v];
        sums[knot[v]] += (1 - weight[v]) * sum;
        sums[knot[v] + 1] += weight[v] * sum;
      }
      for (let k = 0; k < knots; k++) out[(sample * bands + band) * knots + k] = factor * sums[k];
      offset += max;
    });
  }
};

const name = 'BandalignAlignLoss';

interface CpuBackend {
  data: { get(id: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

tf.registerKernel({
  kernelName: name,
  backendName: 'cpu',
  kernelFunc: ({ inputs, backend, attrs }) => {
    const { lut, conv, running } = inputs as Record<string, tf.TensorInfo>;
    const cpu = backend as unknown as CpuBackend;
    const values = ({ dataId }: tf.TensorInfo): Float32Array => cpu.data.get(dataId).values;
    const result = evaluate(
      values(lut),
      lut.shape[2],
      values(conv),
      values(running),
      attrs as unknown as Parameters<typeof evaluate>[4],
    );
    return [
      cpu.makeTensorInfo([], 'float32', Float32Array.of(result.mse)),
      cpu.makeTensorInfo(running.shape, 'float32', result.running),
      cpu.makeTensorInfo(lut.shape, 'float32', result.lut),
      cpu.makeTensorInfo(conv.shape, 'float32', result.conv),
    ];
  },
});

tf.registerGradient({
  kernelName: name,
  inputsToSave: ['running'],
  outputsToSave: [false, false, true, true],
  gradFunc: (dy, saved) => {
    const [running, lut, conv] = saved;
    const upstream = (dy as tf.Tensor[])[0];
    return {
      lut: () => tf.mul(lut, upstream),
      conv: () => tf.mul(conv, upstream),
      running: () => tf.zerosLike(running),
    };
  },
});

/** {@link alignLoss} in WebAssembly: the gradient is computed with the value where a gradient is being taken. */
export const fusedAlignLoss = ({ lut, conv, running, batch, bandMax, norm }: AlignLossInputs): AlignLoss => {
  const gradient = tf.engine().state.gradientDepth > 0;
  const attrs = { batch, bandMax, norm, gradient } as unknown as tf.NamedAttrMap;
  const [mse, kept, ...gradients] = tf.engine().runKernel(name, { lut, conv, running }, attrs) as tf.Tensor[];
  if (!gradient) tf.dispose(gradients);
  return { mse: mse as tf.Scalar, running: kept as tf.Tensor1D };
};
