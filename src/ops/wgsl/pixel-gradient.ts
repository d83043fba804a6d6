import type { PixelGradient, PixelLossInputs } from '../resident-loss.js';
import { normEpsilon, normMomentum } from '../unet-signature.js';
import { errorSlots } from './error-pass.js';
import { forReading, type GpuBuffer, gpuDevice } from './gpu.js';
import { weightColumns } from './gradient-pass.js';
import { momentSlots } from './moments-pass.js';
import type { PatchWords } from './patch-words.js';
import { type BindingName, type PassName, pipelinesFor, recordPass } from './pipelines.js';
import { roomOf } from './room.js';
import { constantsOf } from './shader-parts.js';
import { shaderShape, vectorsOf } from './shader-shape.js';

/** Tiles that a workgroup goes through: fewer units leave fewer sums behind, more fill a card. */
const tilesPerUnit = 8;

/** The `Conv` of the shaders. */
const convUniform = (
  conv: Float32Array,
  bands: number,
  scales: readonly number[],
  pixels: number,
): Float32Array => {
  const vectors = vectorsOf(bands);
  const matrices = 16 * 9 * vectors * vectors;
  const values = new Float32Array(matrices + 12 * vectors + 4);
  for (let output = 0; output < bands; output++)
    for (let input = 0; input < bands; input++)
      for (let tap = 0; tap < 9; tap++) {
        const matrix = (tap * vectors + (input >> 2)) * vectors + (output >> 2);
        values[16 * matrix + 4 * (input & 3) + (output & 3)] = conv[(output * bands + input) * 9 + tap];
      }
  const weights = 9 * bands * bands;
  values.set(conv.subarray(weights + bands, weights + 2 * bands), matrices);
  values.set(conv.subarray(weights + 2 * bands, weights + 3 * bands), matrices + 4 * vectors);
  values.set(scales, matrices + 8 * vectors);
  values[matrices + 12 * vectors] = pixels;
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

/** {@link pixelGradient} in a few passes on the card; what is read back is read once. */
export const fusedPixelGradient = async (inputs: PixelLossInputs<PatchWords>): Promise<PixelGradient> => {
  const { lut, conv, running, patches, norm, bandMax } = inputs;
  const device = gpuDevice();
  const [{ width, height, bands }] = patches;
  const samples = patches.length;
  const knots = lut.length / (samples * bands);
  const shape = shaderShape(device, bands, knots)!;
  const pipelines = pipelinesFor(device, shape);
  const planeWords = width * height * bands;

  const across = Math.ceil(width / shape.tile);
  const tiles = across * Math.ceil(height / shape.tile);
  const { maxComputeWorkgroupsPerDimension, maxStorageBufferBindingSize } = device.limits;
  const perUnit = Math.max(tilesPerUnit, Math.ceil(tiles / maxComputeWorkgroupsPerDimension));
  const unitsPerSample = Math.ceil(tiles / perUnit);
  const units = samples * unitsPerSample;
  const columns = weightColumns(bands);
  const { at, squares, length } = constantsOf(bands);
  const sizes = { constants: 16 * length, weightSums: 16 * columns, knotSums: 8 * lut.length };
  const slots = Math.max(momentSlots(bands), errorSlots(bands), columns);
  const shared = {
    conv: roomOf(device, 'conv', 4 * (144 * vectorsOf(bands) ** 2 + 12 * vectorsOf(bands) + 4)),
    luts: roomOf(device, 'luts', lut.byteLength),
    partials: roomOf(device, 'partials', 16 * slots * units),
    constants: roomOf(device, 'constants', sizes.constants),
    weightSums: roomOf(device, 'weightSums', sizes.weightSums),
    knotSums: roomOf(device, 'knotSums', sizes.knotSums),
  };
  const staging = roomOf(device, 'staging', sizes.constants + sizes.weightSums + sizes.knotSums);

  const pixels = samples * width * height;
  const scales = bandMax.map((max) => (knots - 1) / (max - 1));
  const { queue } = device;
  queue.writeBuffer(shared.luts, 0, lut);
  queue.writeBuffer(shared.conv, 0, convUniform(conv, bands, scales, norm === 'batch' ? pixels : 0));
  if (norm === 'running') queue.writeBuffer(shared.constants, 0, runningConstants(conv, running, bands));

  const encoder = device.createCommandEncoder();
  // samples side by side in as few buffers as a shader may see
  const perBuffer = Math.max(1, Math.floor(maxStorageBufferBindingSize / (4 * planeWords)));
  const parts: { samples: number; buffers: Record<BindingName, GpuBuffer> }[] = [];
  for (let first = 0; first < samples; first += perBuffer) {
    const own = patches.slice(first, first + perBuffer);
    const words = roomOf(device, `words ${parts.length}`, 4 * planeWords * own.length);
    const frame = roomOf(device, `frame ${parts.length}`, 32);
    queue.writeBuffer(
      frame,
      0,
      Uint32Array.of(width, height, across, tiles, perUnit, unitsPerSample, units, first),
    );
    own.forEach((patch, i) => {
      encoder.copyBufferToBuffer(patch.words, 0, words, 4 * planeWords * i, 4 * planeWords);
    });
    parts.push({ samples: own.length, buffers: { ...shared, words, frame } });
  }
  encoder.clearBuffer(shared.knotSums, 0, sizes.knotSums);
  const overPixels = (name: PassName): void => {
    for (const part of parts)
      recordPass(device, encoder, pipelines, name, part.buffers, unitsPerSample, part.samples);
  };
  const overSums = (name: PassName, workgroups: number): void =>
    recordPass(device, encoder, pipelines, name, parts[0].buffers, workgroups);
  if (norm === 'batch') {
    overPixels('moments');
    overSums('momentsSum', 1);
  }
  overPixels('error');
  overSums('errorSum', 1);
  overPixels('gradient');
  overSums('weightsSum', columns);
  let end = 0;
  for (const name of ['constants', 'weightSums', 'knotSums'] as const) {
    encoder.copyBufferToBuffer(shared[name], 0, staging, end, sizes[name]);
    end += sizes[name];
  }
  queue.submit([encoder.finish()]);
  await staging.mapAsync(forReading, 0, end);
  const read = staging.getMappedRange(0, end).slice(0);
  staging.unmap();

  const constants = new Float32Array(read, 0, sizes.constants / 4);
  const weightSums = new Float32Array(read, sizes.constants, sizes.weightSums / 4);
  const knotSums = new DataView(read, sizes.constants + sizes.weightSums);
  const of = (name: keyof typeof at, band: number): number => constants[4 * at[name] + band];
  const weights = 9 * bands * bands;
  const kept = Float32Array.from(running);
  if (norm === 'batch')
    for (let band = 0; band < bands; band++) {
      const unbiased = (of('variance', band) * pixels) / Math.max(pixels - 1, 1);
      const mean = of('mean', band) + conv[weights + band];
      kept[band] = (1 - normMomentum) * running[band] + normMomentum * mean;
      kept[bands + band] = (1 - normMomentum) * running[bands + band] + normMomentum * unbiased;
    }
  const valid = patches.reduce((sum, patch) => sum + patch.valid, 0);
  const result = {
    mse: constants[4 * squares] / (Math.max(valid, 1) * bands),
    running: kept,
    ofLut: new Float32Array(lut.length),
    ofConv: new Float32Array(conv.length),
  };
  if (valid === 0) return result;
  const factor = 2 / (valid * bands);
  for (let band = 0; band < bands; band++) {
    // the batch's mean takes the bias away again
    result.ofConv[weights + band] = norm === 'batch' ? 0 : factor * of('scale', band) * of('slopeSum', band);
    result.ofConv[weights + bands + band] = factor * of('inverse', band) * of('productSum', band);
    result.ofConv[weights + 2 * bands + band] = factor * of('slopeSum', band);
  }
  const vectors = vectorsOf(bands);
  for (let output = 0; output < bands; output++)
    for (let input = 0; input < bands; input++)
      for (let tap = 0; tap < 9; tap++) {
        const column = ((tap * vectors + (input >> 2)) * vectors + (output >> 2)) * 4 + (input & 3);
        result.ofConv[(output * bands + input) * 9 + tap] = factor * weightSums[4 * column + (output & 3)];
      }
  for (let i = 0; i < lut.length; i++) {
    const quanta = of('quanta', Math.floor(i / knots) % bands);
    const sum = knotSums.getUint32(8 * i, true) + knotSums.getInt32(8 * i + 4, true) * 2 ** 32;
    result.ofLut[i] = quanta === 0 ? 0 : (factor * sum) / quanta;
  }
  return result;
};
