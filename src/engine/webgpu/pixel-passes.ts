import { Fault } from '../../fault.js';
import { type GpuBuffer, type GpuDevice, type GpuPass, type GpuPipeline, usage } from './device.js';
import type { Chunk } from './patches.js';
import { pipelineOf } from './pipelines.js';
import { errorPass, errorSlots, errorSum } from './shaders/error-pass.js';
import { gradientPass, weightColumns, weightsSum } from './shaders/gradient-pass.js';
import { momentSlots, momentsPass, momentsSum } from './shaders/moments-pass.js';
import { constantsOf } from './shaders/parts.js';
import { type ShaderShape, shaderShape, vectorsOf } from './shaders/shape.js';

/** What each binding of the shaders is, by number. */
const bindingNames = [
  ...['frame', 'conv', 'words', 'luts', 'partials', 'constants', 'knotSums', 'weightSums', 'batch', 'chunk'],
] as const;

/** Passes in their order; those over pixels are dispatched for each chunk, the others have some workgroups. */
const passes = {
  moments: { text: momentsPass, bindings: [0, 1, 2, 3, 4, 8, 9], groups: null },
  momentsSum: { text: momentsSum, bindings: [0, 1, 4, 5, 8], groups: () => 1 },
  error: { text: errorPass, bindings: [0, 1, 2, 3, 4, 5, 8, 9], groups: null },
  errorSum: { text: errorSum, bindings: [0, 1, 4, 5, 8], groups: () => 1 },
  gradient: { text: gradientPass, bindings: [0, 1, 2, 3, 4, 5, 6, 8, 9], groups: null },
  weightsSum: { text: weightsSum, bindings: [0, 4, 7, 8], groups: weightColumns },
} as const;
type PassName = keyof typeof passes;
const passNames = Object.keys(passes) as PassName[];

type Pipelines = Record<PassName, GpuPipeline>;

/** The passes of a shape. */
const pipelinesFor = async (device: GpuDevice, shape: ShaderShape): Promise<Pipelines> => {
  const made = passNames.map(async (name) => {
    const code = passes[name].text(shape);
    return [name, await pipelineOf(device, { label: `bandalign ${name}`, code, layout: 'auto' })] as const;
  });
  return Object.fromEntries(await Promise.all(made)) as Pipelines;
};

/** Tiles that a workgroup goes through: fewer units leave fewer sums behind, more fill a card. */
const tilesPerUnit = 8;

/** Sizes of a batch of pixels. */
export interface PixelShape {
  /** At most. */
  samples: number;
  bands: number;
  knots: number;
  width: number;
  height: number;
  bandMax: readonly number[];
}

/** The passes over the pixels of a batch, and the buffers between them. */
export interface PixelPasses {
  /** Bytes of constants, of weightSums and of a sample's luts (and twice as many of its knotSums). */
  bytes: { constants: number; weightSums: number; luts: number };
  buffers: Record<'conv' | 'luts' | 'constants' | 'knotSums' | 'weightSums', GpuBuffer>;
  /**
   * Records the passes: from `luts`, `conv` and, with running statistics, `constants` to `constants`, `weightSums` and
   * `knotSums`, which must be zero.
   */
  record: (pass: GpuPass, samples: number, byBatch: boolean, chunks: readonly Chunk[]) => void;
  destroy: () => void;
}

/**
 * Opens passes over batches of one shape.
 *
 * @param batch the uniform that says which patches are meant (shaders/batch.ts)
 * @throws Fault where the device has not the memory
 */
export const openPixelPasses = async (
  device: GpuDevice,
  { samples, bands, knots, width, height, bandMax }: PixelShape,
  batch: GpuBuffer,
): Promise<PixelPasses> => {
  const shape = shaderShape(device, samples, bands, knots);
  if (!shape)
    throw new Fault(
      `webgpu: ${bands} bands of ${knots} knots; more than this device has memory for, use --backend cpu`,
    );
  const pipelines = await pipelinesFor(device, shape);
  const across = Math.ceil(width / shape.tile);
  const tiles = across * Math.ceil(height / shape.tile);
  const perUnit = Math.max(tilesPerUnit, Math.ceil(tiles / device.limits.maxComputeWorkgroupsPerDimension));
  const unitsPerSample = Math.ceil(tiles / perUnit);
  const vectors = vectorsOf(bands);
  const { length } = constantsOf(bands);
  const columns = weightColumns(bands);
  const slots = Math.max(momentSlots(bands), errorSlots(bands), columns);
  const bytes = { constants: 16 * length, weightSums: 16 * columns, luts: 4 * bands * knots };
  const { storage, uniform, copyFrom, copyTo } = usage;
  const buffer = (label: string, size: number, use: number): GpuBuffer =>
    device.createBuffer({ label: `bandalign ${label}`, size, usage: use });
  const own = {
    frame: buffer('frame', 32, uniform | copyTo),
    conv: buffer('conv', 16 * (36 * vectors ** 2 + 3 * vectors), uniform | storage | copyTo),
    luts: buffer('luts', samples * bytes.luts, storage | copyTo),
    partials: buffer('partials', 16 * slots * samples * unitsPerSample, storage),
    constants: buffer('constants', bytes.constants, storage | copyFrom | copyTo),
    weightSums: buffer('weightSums', bytes.weightSums, storage | copyFrom),
    knotSums: buffer('knotSums', 2 * samples * bytes.luts, storage | copyFrom | copyTo),
  };
  const { queue } = device;
  queue.writeBuffer(
    own.frame,
    0,
    Uint32Array.of(width, height, across, tiles, perUnit, unitsPerSample, 0, 0),
  );
  const scales = Float32Array.from(bandMax, (max) => (knots - 1) / (max - 1));
  queue.writeBuffer(own.conv, 4 * (144 * vectors ** 2 + 8 * vectors), scales);

  const bind = (name: PassName, chunk: Chunk | null): object => {
    const all = { ...own, batch, ...(chunk && { words: chunk.words, chunk: chunk.uniform }) };
    const entries = passes[name].bindings.map((binding) => ({
      binding,
      resource: { buffer: all[bindingNames[binding] as keyof typeof all]! },
    }));
    return device.createBindGroup({ layout: pipelines[name].getBindGroupLayout(0), entries });
  };
  const whole = Object.fromEntries(
    passNames.flatMap((name) => (passes[name].groups ? [[name, bind(name, null)]] : [])),
  ) as Record<PassName, object>;
  const overChunks = new Map<number, Record<PassName, object>>();
  const ofChunk = (chunk: Chunk): Record<PassName, object> => {
    const known = overChunks.get(chunk.number);
    if (known) return known;
    const made = Object.fromEntries(
      passNames.flatMap((name) => (passes[name].groups ? [] : [[name, bind(name, chunk)]])),
    ) as Record<PassName, object>;
    overChunks.set(chunk.number, made);
    return made;
  };
  return {
    bytes,
    buffers: own,
    record: (pass, count, byBatch, chunks) => {
      for (const name of passNames) {
        if (!byBatch && (name === 'moments' || name === 'momentsSum')) continue;
        pass.setPipeline(pipelines[name]);
        const { groups } = passes[name];
        if (groups) {
          pass.setBindGroup(0, whole[name]);
          pass.dispatchWorkgroups(groups(bands));
        } else
          for (const chunk of chunks) {
            pass.setBindGroup(0, ofChunk(chunk)[name]);
            pass.dispatchWorkgroups(unitsPerSample, count);
          }
      }
    },
    destroy: () => {
      for (const each of Object.values(own)) each.destroy();
    },
  };
};
