import { Fault } from '../../fault.js';
import { moveRunning, normEpsilon } from '../layout.js';
import type { PixelError, PixelErrorInputs } from '../pixel-error.js';
import { type BindingName, bindingNames, pooledBuffer } from './buffer-pool.js';
import {
  forReading,
  type GpuBuffer,
  type GpuDevice,
  type GpuEncoder,
  type GpuPipeline,
  gpuDevice,
} from './device.js';
import type { ResidentPatch } from './patches.js';
import { errorPass, errorSlots, errorSum } from './shaders/error-pass.js';
import { gradientPass, weightColumns, weightsSum } from './shaders/gradient-pass.js';
import { momentSlots, momentsPass, momentsSum } from './shaders/moments-pass.js';
import { constantsOf } from './shaders/parts.js';
import { type ShaderShape, shaderShape, vectorsOf } from './shaders/shape.js';

const passes = {
  moments: { text: momentsPass, bindings: [0, 1, 2, 3, 4] },
  momentsSum: { text: momentsSum, bindings: [0, 1, 4, 5] },
  error: { text: errorPass, bindings: [0, 1, 2, 3, 4, 5] },
  errorSum: { text: errorSum, bindings: [0, 1, 4, 5] },
  gradient: { text: gradientPass, bindings: [0, 1, 2, 3, 4, 5, 6] },
  weightsSum: { text: weightsSum, bindings: [0, 4, 7] },
} as const;
type PassName = keyof typeof passes;

/** Compiled passes of a shape. */
type Pipelines = Record<PassName, GpuPipeline>;

const compiled = new WeakMap<GpuDevice, Map<string, Pipelines>>();

/** The passes of a shape, compiled once a device. */
const pipelinesFor = (device: GpuDevice, shape: ShaderShape): Pipelines => {
  const known = compiled.get(device) ?? new Map<string, Pipelines>();
  compiled.set(device, known);
  const key = JSON.stringify(shape);
  const found = known.get(key);
  if (found) return found;
  const made = {} as Pipelines;
  for (const name of Object.keys(passes) as PassName[]) {
    const label = `bandalign ${name}`;
    const module = device.createShaderModule({ label, code: passes[name].text(shape) });
    made[name] = device.createComputePipeline({
      label,
      layout: 'auto',
      compute: { module, entryPoint: 'main' },
    });
  }
  known.set(key, made);
  return made;
};

/** Records one pass over `x`·`y` workgroups. */
const recordPass = (
  device: GpuDevice,
  encoder: GpuEncoder,
  pipelines: Pipelines,
  name: PassName,
  buffers: Record<BindingName, GpuBuffer>,
  x: number,
  y = 1,
): void => {
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipelines[name]);
  const entries = passes[name].bindings.map((binding) => ({
    binding,
    resource: { buffer: buffers[bindingNames[binding]] },
  }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipelines[name].getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(x, y);
  pass.end();
};

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

/** {@link PixelError} in a few passes on the card; what is read back is read once. */
export const pixelError = async (inputs: PixelErrorInputs<ResidentPatch>): Promise<PixelError> => {
  const { lut, conv, running, patches, norm, bandMax } = inputs;
  const device = gpuDevice();
  const [{ width, height, bands }] = patches;
  const samples = patches.length;
  const knots = lut.length / (samples * bands);
  const shape = shaderShape(device, bands, knots);
  if (!shape)
    throw new Fault(
      `webgpu: ${bands} bands of ${knots} knots; more than this device has memory for, use --backend cpu`,
    );
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
    conv: pooledBuffer(device, 'conv', 4 * (144 * vectorsOf(bands) ** 2 + 12 * vectorsOf(bands) + 4)),
    luts: pooledBuffer(device, 'luts', lut.byteLength),
    partials: pooledBuffer(device, 'partials', 16 * slots * units),
    constants: pooledBuffer(device, 'constants', sizes.constants),
    weightSums: pooledBuffer(device, 'weightSums', sizes.weightSums),
    knotSums: pooledBuffer(device, 'knotSums', sizes.knotSums),
  };
  const staging = pooledBuffer(device, 'staging', sizes.constants + sizes.weightSums + sizes.knotSums);

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
    const words = pooledBuffer(device, `words ${parts.length}`, 4 * planeWords * own.length);
    const frame = pooledBuffer(device, `frame ${parts.length}`, 32);
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
      const mean = of('mean', band) + conv[weights + band];
      moveRunning(kept, band, bands, mean, of('variance', band), pixels);
    }
  const valid = patches.reduce((sum, patch) => sum + patch.valid, 0);
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
    result.dConv[weights + band] = norm === 'batch' ? 0 : factor * of('scale', band) * of('slopeSum', band);
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
