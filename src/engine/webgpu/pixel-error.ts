import { moveRunning, normEpsilon } from '../layout.js';
import type { PixelError, PixelErrorInputs } from '../pixel-error.js';
import { forReading, type GpuBuffer, type GpuDevice, gpuDevice, usage } from './device.js';
import type { ResidentPatch } from './patches.js';
import { openPixelPasses, type PixelPasses } from './pixel-passes.js';
import { batchBytes, batchWriter } from './shaders/batch.js';
import { constantsOf } from './shaders/parts.js';
import { vectorsOf } from './shaders/shape.js';

/** Passes for batches of one shape, and what they read and leave. */
interface Opened {
  key: string;
  passes: PixelPasses;
  batch: GpuBuffer;
  writer: ReturnType<typeof batchWriter>;
  staging: GpuBuffer;
}

let owner: GpuDevice | null = null;
let opened: Opened | null = null;

/** Destroys what the passes hold beside the patches. */
export const releasePasses = (): void => {
  opened?.passes.destroy();
  opened?.batch.destroy();
  opened?.staging.destroy();
  opened = null;
};

const passesFor = async (
  device: GpuDevice,
  { patches, lut, bandMax }: PixelErrorInputs<ResidentPatch>,
): Promise<Opened> => {
  // a lost device takes its buffers with it
  if (owner !== device) opened = null;
  owner = device;
  const [{ width, height, bands }] = patches;
  const knots = lut.length / (patches.length * bands);
  const samples = 2 ** Math.ceil(Math.log2(Math.max(4, patches.length)));
  const shape = { samples, bands, knots, width, height, bandMax };
  const key = JSON.stringify(shape);
  if (opened?.key === key) return opened;
  releasePasses();
  const { uniform, copyTo, mapRead } = usage;
  const batch = device.createBuffer({
    label: 'bandalign batch',
    size: batchBytes(samples),
    usage: uniform | copyTo,
  });
  const passes = await openPixelPasses(device, shape, batch);
  const { constants, weightSums, luts } = passes.bytes;
  const staging = device.createBuffer({
    label: 'bandalign staging',
    size: constants + weightSums + 2 * samples * luts,
    usage: mapRead | copyTo,
  });
  opened = { key, passes, batch, writer: batchWriter(samples), staging };
  return opened;
};

/** The matrices, γ and β of the `Conv` of the shaders. */
const convUniform = (conv: Float32Array, bands: number): Float32Array => {
  const vectors = vectorsOf(bands);
  const matrices = 16 * 9 * vectors * vectors;
  const values = new Float32Array(matrices + 8 * vectors);
  for (let output = 0; output < bands; output++)
    for (let input = 0; input < bands; input++)
      for (let tap = 0; tap < 9; tap++) {
        const matrix = (tap * vectors + (input >> 2)) * vectors + (output >> 2);
        values[16 * matrix + 4 * (input & 3) + (output & 3)] = conv[(output * bands + input) * 9 + tap];
      }
  const weights = 9 * bands * bands;
  values.set(conv.subarray(weights + bands, weights + 2 * bands), matrices);
  values.set(conv.subarray(weights + 2 * bands, weights + 3 * bands), matrices + 4 * vectors);
  return values;
};

/** Constants of batch norm where they are known beforehand: from running statistics. */
const runningConstants = (conv: Float32Array, running: Float32Array, bands: number): Float32Array => {
  const { at, length } = constantsOf(bands);
  const values = new Float32Array(4 * length);
  const weights = 9 * bands * bands;
  for (let band = 0; band < bands; band++) {
    const inverse = 1 / Math.sqrt(running[bands + band] + normEpsilon);
    values[4 * at.mean + band] = running[band] - conv[weights + band];
    values[4 * at.variance + band] = running[bands + band];
    values[4 * at.inverse + band] = inverse;
    values[4 * at.scale + band] = conv[weights + bands + band] * inverse;
  }
  return values;
};

/** {@link PixelError} in a few passes on the card, for a UNet on the host; what is read back is read once. */
export const pixelError = async (inputs: PixelErrorInputs<ResidentPatch>): Promise<PixelError> => {
  const { lut, conv, running, patches, norm } = inputs;
  const device = gpuDevice();
  const { passes, batch, writer, staging } = await passesFor(device, inputs);
  const [{ width, height, bands }] = patches;
  const samples = patches.length;
  const knots = lut.length / (samples * bands);
  const byBatch = norm === 'batch';
  const pixels = samples * width * height;
  const valid = patches.reduce((sum, patch) => sum + patch.valid, 0);
  const { buffers, bytes } = passes;
  const sizes = [bytes.constants, bytes.weightSums, 2 * samples * bytes.luts];

  writer.write(samples, { byBatch, slot: 0, values: Math.max(valid, 1) * bands, pixels }, (i) => ({
    row: 0,
    chunk: patches[i].chunk.number,
    word: patches[i].word,
  }));
  const { queue } = device;
  queue.writeBuffer(batch, 0, writer.words);
  queue.writeBuffer(buffers.luts, 0, lut);
  queue.writeBuffer(buffers.conv, 0, convUniform(conv, bands));
  if (!byBatch) queue.writeBuffer(buffers.constants, 0, runningConstants(conv, running, bands));
  const encoder = device.createCommandEncoder();
  encoder.clearBuffer(buffers.knotSums, 0, sizes[2]);
  const pass = encoder.beginComputePass();
  passes.record(pass, samples, byBatch, [...new Set(patches.map(({ chunk }) => chunk))]);
  pass.end();
  let end = 0;
  for (const [i, name] of (['constants', 'weightSums', 'knotSums'] as const).entries()) {
    encoder.copyBufferToBuffer(buffers[name], 0, staging, end, sizes[i]);
    end += sizes[i];
  }
  queue.submit([encoder.finish()]);
  await staging.mapAsync(forReading, 0, end);
  const read = staging.getMappedRange(0, end).slice(0);
  staging.unmap();

  const { at, squares } = constantsOf(bands);
  const constants = new Float32Array(read, 0, sizes[0] / 4);
  const weightSums = new Float32Array(read, sizes[0], sizes[1] / 4);
  const knotSums = new DataView(read, sizes[0] + sizes[1]);
  const of = (name: keyof typeof at, band: number): number => constants[4 * at[name] + band];
  const weights = 9 * bands * bands;
  const kept = Float32Array.from(running);
  if (byBatch)
    for (let band = 0; band < bands; band++) {
      const mean = of('mean', band) + conv[weights + band];
      moveRunning(kept, band, bands, mean, of('variance', band), pixels);
    }
  const result = {
    mse: constants[4 * squares] / (Math.max(valid, 1) * bands),
    running: kept,
    dLut: new Float32Array(lut.length),
    dConv: new Float32Array(conv.length),
  };
  if (valid === 0) return result;
  const factor = 2 / (valid * bands);
  for (let band = 0; band < bands; band++) {
    // the batch's mean takes the bias away again
    result.dConv[weights + band] = byBatch ? 0 : factor * of('scale', band) * of('slopeSum', band);
    result.dConv[weights + bands + band] = factor * of('inverse', band) * of('productSum', band);
    result.dConv[weights + 2 * bands + band] = factor * of('slopeSum', band);
  }
  const vectors = vectorsOf(bands);
  for (let output = 0; output < bands; output++)
    for (let input = 0; input < bands; input++)
      for (let tap = 0; tap < 9; tap++) {
        const column = ((tap * vectors + (input >> 2)) * vectors + (output >> 2)) * 4 + (input & 3);
        result.dConv[(output * bands + input) * 9 + tap] = factor * weightSums[4 * column + (output & 3)];
      }
  for (let i = 0; i < lut.length; i++) {
    const quanta = of('quanta', Math.floor(i / knots) % bands);
    const sum = knotSums.getUint32(8 * i, true) + knotSums.getInt32(8 * i + 4, true) * 2 ** 32;
    result.dLut[i] = quanta === 0 ? 0 : (factor * sum) / quanta;
  }
  return result;
};
