import { identityKnots } from '../../dataset/statistics-table.js';
import { type AdamRates, adamArguments } from '../adam.js';
import type {
  DeviceLosses,
  DeviceTraining,
  DeviceTrainingInput,
  TrainingVectors,
} from '../device-training.js';
import { convLayout, unetLayout } from '../layout.js';
import {
  checkDevice,
  forCompute,
  forReading,
  type GpuBuffer,
  type GpuDevice,
  type GpuPass,
  type GpuPipeline,
  gpuDevice,
  onDevice,
  usage,
} from './device.js';
import type { Chunk, ResidentPatch } from './patches.js';
import { pipelineOf } from './pipelines.js';
import { openPixelPasses } from './pixel-passes.js';
import { batchBytes, batchWriter } from './shaders/batch.js';
import {
  type HeadShape,
  lossesText,
  lutsText,
  pixelsHeadText,
  statisticsHead,
  statisticsHeadText,
  statisticsRow,
} from './shaders/head.js';
import { arrangeText, moduleSlopeText, moveModuleText, quantaOf, squaresOf } from './shaders/module.js';
import { shaderShape } from './shaders/shape.js';
import { JobKind, packJobs, type StatePlaces, updateText } from './shaders/update.js';
import { planUnet, type UnetPlan } from './unet-plan.js';

/** Losses come back in blocks of so many steps; so many blocks may be under way. */
const stepsOfBlock = 8;
const blocksUnderWay = 4;

/** A kernel that is ready to be recorded. */
export interface Recorded {
  label: string;
  pipeline: GpuPipeline;
  group: object;
  groups: (samples: number) => number;
}

type BufferType = 'uniform' | 'storage' | 'read-only-storage';
type Bindings = Record<number, [GpuBuffer, BufferType]>;

const opener = (device: GpuDevice) => {
  const layouts = (bindings: Bindings) => {
    const entries = Object.entries(bindings);
    const layout = device.createBindGroupLayout({
      entries: entries.map(([binding, [, type]]) => ({
        binding: Number(binding),
        visibility: forCompute,
        buffer: { type },
      })),
    });
    return {
      layout: {
        name: entries.map(([binding, [, type]]) => `${binding} ${type}`).join(),
        made: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      },
      group: device.createBindGroup({
        layout,
        entries: entries.map(([binding, [buffer]]) => ({ binding: Number(binding), resource: { buffer } })),
      }),
    };
  };
  /** Kernels over the same buffers. */
  return async (
    bindings: Bindings,
    kernels: readonly { label: string; code: string; groups: (samples: number) => number }[],
  ): Promise<Recorded[]> => {
    const { layout, group } = layouts(bindings);
    return Promise.all(
      kernels.map(async ({ label, code, groups }) => ({
        ...{ label, group, groups },
        pipeline: await pipelineOf(device, { label, code, layout }),
      })),
    );
  };
};

/** The inputs of all rows, each in rows of whole vectors with zeros around them. */
const packInputs = ({ spec, rows, writeInput }: DeviceTrainingInput): Float32Array => {
  const { bands, knots } = spec;
  const row = 4 * (Math.ceil(knots / 4) + 2);
  const values = new Float32Array(rows.length * bands * row);
  const one = new Float32Array(bands * knots);
  for (const [i, from] of rows.entries()) {
    writeInput(from, one, 0);
    for (let band = 0; band < bands; band++)
      values.set(one.subarray(band * knots, (band + 1) * knots), (i * bands + band) * row + 4);
  }
  return values;
};

/** Identity and base LUTs, then without a conv module the statistics of each row. */
const packStatistics = ({ spec, conv, table, rows, base }: DeviceTrainingInput): Float32Array => {
  const { bands, knots } = spec;
  const size = bands * knots;
  const [head, each] = [statisticsHead(bands, knots), statisticsRow(bands, knots)];
  const values = new Float32Array(head + (conv ? 0 : rows.length * each));
  for (const [band, max] of table.bandMax.entries()) values.set(identityKnots(max, knots), band * knots);
  if (base) values.set(base, size);
  if (!conv)
    for (const [i, row] of rows.entries()) {
      let at = head + i * each;
      for (const column of [table.diagonal, table.offDiagonal, table.linear]) {
        values.set(column.subarray(row * size, (row + 1) * size), at);
        at += size;
      }
      values.set(table.constant.subarray(row * bands, (row + 1) * bands), at);
    }
  return values;
};

/** Whether the device has room for the buffers, workgroups and their memory. */
const hasRoom = (
  { limits }: GpuDevice,
  { spec, batchSize, rows, conv }: DeviceTrainingInput,
  plan: UnetPlan,
  threads: number,
): boolean => {
  const { bands, knots, width, depth } = spec;
  const largest = Math.max(
    16 * plan.arena,
    4 * plan.state.size,
    16 * rows.length * bands * (Math.ceil(knots / 4) + 2),
    4 * (statisticsHead(bands, knots) + (conv ? 0 : rows.length * statisticsRow(bands, knots))),
  );
  const weights = 3 * Math.max(bands, width << depth);
  const own = Math.max(4 * weights + 24 * threads, 4 * knots + 16 * threads);
  return (
    largest <= Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) &&
    batchBytes(batchSize) <= limits.maxUniformBufferBindingSize &&
    own <= limits.maxComputeWorkgroupStorageSize &&
    plan.jobs.length + 2 <= limits.maxComputeWorkgroupsPerDimension
  );
};

/** Threads of a workgroup: two vectors of a channel's positions for each where the device allows as many. */
const threadsOf = (
  { maxComputeInvocationsPerWorkgroup }: GpuDevice['limits'],
  { spec: { knots }, batchSize }: DeviceTrainingInput,
): number => {
  const most = 2 ** Math.floor(Math.log2(maxComputeInvocationsPerWorkgroup));
  return Math.min(most, Math.max(256, 2 ** Math.ceil(Math.log2((batchSize * knots) / 8))));
};

/** Copies losses back in blocks, without waiting for them. */
const lossReader = (device: GpuDevice) => {
  const stagings = Array.from({ length: blocksUnderWay }, () =>
    device.createBuffer({
      label: 'bandalign losses read',
      size: 16 * stepsOfBlock,
      usage: usage.mapRead | usage.copyTo,
    }),
  );
  const waiting: { block: number; count: number; mapped: Promise<void>; isThere: boolean }[] = [];
  let block = 0;
  let used = 0;
  const take = (): DeviceLosses[] => {
    const { block: from, count } = waiting.shift()!;
    const values = new Float32Array(stagings[from].getMappedRange(0, 16 * count));
    const taken = Array.from({ length: count }, (_, i) => ({
      mse: values[4 * i],
      tv: values[4 * i + 1],
      monotonicity: values[4 * i + 2],
      loss: values[4 * i + 3],
    }));
    stagings[from].unmap();
    return taken;
  };
  return {
    /** Where the next step's losses go; whether they fill a block. */
    next: (): { slot: number; isLast: boolean } => {
      const slot = block * stepsOfBlock + used++;
      return { slot, isLast: used === stepsOfBlock };
    },
    hasRest: (): boolean => used > 0,
    /** Sends the block; `record` submits the copy that it is given. */
    send: (record: (staging: GpuBuffer, at: number, bytes: number) => void): void => {
      record(stagings[block], 16 * stepsOfBlock * block, 16 * used);
      const mapped = stagings[block].mapAsync(forReading, 0, 16 * used);
      const sent = { block, count: used, mapped, isThere: false };
      void mapped.then(
        () => {
          sent.isThere = true;
        },
        // said where it is waited for
        () => {},
      );
      waiting.push(sent);
      block = (block + 1) % blocksUnderWay;
      used = 0;
    },
    /** What is there; all of it, or with `most` until fewer blocks than that are under way, waited for. */
    receive: async (most: number): Promise<DeviceLosses[]> => {
      const received: DeviceLosses[] = [];
      while (waiting.length > 0 && (waiting[0].isThere || waiting.length >= most)) {
        if (!waiting[0].isThere) await waiting[0].mapped;
        received.push(...take());
      }
      return received;
    },
    destroy: (): void => {
      for (const staging of stagings) staging.destroy();
    },
  };
};

/** The vectors in the state, in the order of `TrainingVectors`. */
const placesOf = (
  { theta, m, v, average, running }: StatePlaces,
  vectors: TrainingVectors,
): { at: number; values: Float32Array }[] => [
  { at: theta, values: vectors.theta },
  { at: m, values: vectors.m },
  { at: v, values: vectors.v },
  ...(vectors.ema ? [{ at: average, values: vectors.ema }] : []),
  { at: running, values: vectors.running },
];

const open = async (input: DeviceTrainingInput, device: GpuDevice): Promise<DeviceTraining | null> => {
  const { spec, conv, scale, base, weights, ema, table, rows, batchSize: samples } = input;
  const { bands, knots } = spec;
  const unet = unetLayout(spec);
  const module = conv ? convLayout(bands) : null;
  const threads = threadsOf(device.limits, input);
  const few = Math.min(256, threads);
  const plan = planUnet(spec, samples, threads, {
    parameters: module?.parameterCount ?? 0,
    running: module?.runningCount ?? 0,
  });
  const { state: at } = plan;
  if (!hasRoom(device, input, plan, threads) || (conv && !shaderShape(device, samples, bands, knots)))
    return null;

  const { storage, uniform, copyFrom, copyTo } = usage;
  const made: GpuBuffer[] = [];
  const buffer = (label: string, size: number, use: number): GpuBuffer => {
    const one = device.createBuffer({ label: `bandalign ${label}`, size, usage: use });
    made.push(one);
    return one;
  };
  const { queue } = device;
  const filled = (label: string, values: Float32Array | Uint32Array): GpuBuffer => {
    const one = buffer(label, values.byteLength, storage | copyTo);
    queue.writeBuffer(one, 0, values);
    return one;
  };
  const distinct = [...new Set(rows)];
  const slotOf = new Map(distinct.map((row, slot) => [row, slot]));
  const arena = buffer('arena', 16 * plan.arena, storage);
  const state = buffer('state', 4 * at.size, storage | copyFrom | copyTo);
  const batch = buffer('batch', batchBytes(samples), uniform | copyTo);
  const inputs = filled('inputs', packInputs({ ...input, rows: distinct }));
  const statistics = filled('statistics', packStatistics({ ...input, rows: distinct }));
  const losses = buffer('losses', 16 * stepsOfBlock * blocksUnderWay, storage | copyFrom);
  const jobs = [
    ...plan.jobs,
    ...(module ? [{ kind: JobKind.module, columns: 0, parameter: unet.parameterCount }] : []),
    { kind: JobKind.running, columns: 0, parameter: 0 },
  ];
  const jobList = filled('jobs', packJobs(jobs, few, spec.groups));

  const kernels = opener(device);
  const shared: Bindings = { 0: [batch, 'uniform'], 1: [arena, 'storage'], 2: [state, 'storage'] };
  const own = unet.parameters.at(-2)!;
  const head: HeadShape = {
    ...{ threads: few, samples, bands, knots, plan, scale },
    weight: own.offset,
    bias: own.offset + own.size,
    hasBase: base !== null,
    penalties: weights.tv === 0 && weights.monotonicity === 0 ? null : weights,
  };
  const perLut = (count: number): number => count * bands;
  const once = (): number => 1;
  const readStatistics: Bindings = { ...shared, 4: [statistics, 'read-only-storage'] };
  const unetBindings: Bindings = { ...shared, 3: [inputs, 'read-only-storage'] };
  const moduleShape = {
    bands,
    theta: at.theta + unet.parameterCount,
    running: at.running + unet.runningCount,
    moved: at.moved + unet.runningCount,
  };
  const update = (text: string | null) => ({
    label: 'update',
    groups: () => jobs.length,
    code: updateText({
      ...{ threads: few, samples, state: at, average: ema },
      runningCount: unet.runningCount + (module?.runningCount ?? 0),
      module: module && text ? { text, count: module.parameterCount, parameter: unet.parameterCount } : null,
    }),
  });
  const [forward, backward] = await Promise.all([
    kernels(unetBindings, plan.forward),
    kernels(unetBindings, plan.backward),
  ]);

  const openEnds = async () => {
    if (!module) {
      const [errors, sums, moves] = await Promise.all([
        kernels(readStatistics, [{ label: 'head', code: statisticsHeadText(head), groups: perLut }]),
        kernels({ ...shared, 5: [losses, 'storage'] }, [
          { label: 'losses', code: lossesText(head, null), groups: once },
        ]),
        kernels({ ...unetBindings, 4: [jobList, 'read-only-storage'] }, [update(null)]),
      ]);
      return { pixels: null, before: errors, after: [], end: [...sums, ...moves] };
    }
    return null;
  };
  /** Passes over pixels of one size. */
  const openPixels = async (width: number, height: number) => {
    const passes = await openPixelPasses(
      device,
      { samples, bands, knots, width, height, bandMax: table.bandMax },
      batch,
    );
    const { luts, knotSums, constants, conv: uniformOfModule, weightSums } = passes.buffers;
    const [before, after, sums, moves] = await Promise.all([
      kernels(
        {
          ...readStatistics,
          ...{ 5: [luts, 'storage'], 6: [knotSums, 'storage'] },
          ...{ 7: [constants, 'storage'], 8: [uniformOfModule, 'storage'] },
        } as Bindings,
        [
          {
            label: 'luts',
            code: lutsText(head, arrangeText(moduleShape)),
            groups: (count) => count * bands + 1,
          },
        ],
      ),
      kernels(
        {
          ...shared,
          ...{ 5: [luts, 'storage'], 6: [knotSums, 'storage'], 7: [constants, 'storage'] },
        } as Bindings,
        [{ label: 'head', code: pixelsHeadText(head, quantaOf(bands)), groups: perLut }],
      ),
      kernels({ ...shared, 5: [losses, 'storage'], 7: [constants, 'storage'] }, [
        {
          label: 'losses',
          code: lossesText(head, { squares: squaresOf(bands), text: moveModuleText(moduleShape) }),
          groups: once,
        },
      ]),
      kernels(
        {
          ...unetBindings,
          ...{ 4: [jobList, 'read-only-storage'], 5: [weightSums, 'read-only-storage'] },
          6: [constants, 'read-only-storage'],
        } as Bindings,
        [update(moduleSlopeText(bands))],
      ),
    ]);
    return { pixels: { passes, width, height }, before, after, end: [...sums, ...moves] };
  };
  type Ends = NonNullable<Awaited<ReturnType<typeof openEnds>>> | Awaited<ReturnType<typeof openPixels>>;
  let ends: Ends | null = await openEnds();

  const reader = lossReader(device);
  const writer = batchWriter(samples);
  const chunks: Chunk[] = [];
  let current: readonly number[] = [];
  let patchesNow: readonly ResidentPatch[] | null = null;
  const place = { row: 0, chunk: 0, word: 0 };
  const placeOf = (i: number): typeof place => {
    place.row = slotOf.get(current[i])!;
    if (patchesNow) {
      place.chunk = patchesNow[i].chunk.number;
      place.word = patchesNow[i].word;
    }
    return place;
  };
  const numbers = { byBatch: true, slot: 0, values: 1, pixels: 1 };

  const record = (
    pass: GpuPass,
    list: readonly Recorded[],
    count: number,
    group: object | null,
  ): object | null => {
    let set = group;
    for (const kernel of list) {
      pass.setPipeline(kernel.pipeline);
      if (kernel.group !== set) {
        set = kernel.group;
        pass.setBindGroup(0, set);
      }
      pass.dispatchWorkgroups(kernel.groups(count));
    }
    return set;
  };

  const send = (rates: AdamRates, { pixels, before, after, end }: Ends): void => {
    const count = current.length;
    const { slot, isLast } = reader.next();
    numbers.slot = slot;
    writer.write(count, numbers, placeOf);
    adamArguments(rates, writer.rates);
    queue.writeBuffer(batch, 0, writer.words);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    record(pass, before, count, record(pass, forward, count, null));
    if (pixels) pixels.passes.record(pass, count, numbers.byBatch, chunks);
    record(pass, end, count, record(pass, backward, count, record(pass, after, count, null)));
    pass.end();
    if (isLast)
      reader.send((staging, from, bytes) => {
        encoder.copyBufferToBuffer(losses, from, staging, 0, bytes);
        queue.submit([encoder.finish()]);
      });
    else queue.submit([encoder.finish()]);
  };

  const step: DeviceTraining['step'] = async (rowsOfBatch, patches, norm, rates) => {
    checkDevice();
    current = rowsOfBatch;
    patchesNow = patches;
    numbers.byBatch = norm === 'batch';
    let valid = 0;
    if (patches) {
      const [{ width, height }] = patches;
      if (ends?.pixels && (ends.pixels.width !== width || ends.pixels.height !== height)) {
        ends.pixels.passes.destroy();
        ends = null;
      }
      ends ??= await onDevice(() => openPixels(width, height));
      chunks.length = 0;
      for (let i = 0; i < patches.length; i++) {
        valid += patches[i].valid * bands;
        if (!chunks.includes(patches[i].chunk)) chunks.push(patches[i].chunk);
      }
      numbers.pixels = patches.length * width * height;
    } else
      for (let i = 0; i < rowsOfBatch.length; i++)
        for (let band = 0; band < bands; band++) valid += table.count[rowsOfBatch[i] * bands + band];
    numbers.values = Math.max(1, valid);
    send(rates, ends!);
    return onDevice(() => reader.receive(blocksUnderWay));
  };

  return {
    load: (vectors) => {
      queue.writeBuffer(state, 4 * at.halted, Float32Array.of(0));
      for (const { at: from, values } of placesOf(at, vectors)) queue.writeBuffer(state, 4 * from, values);
    },
    step,
    settle: () =>
      onDevice(() => {
        if (reader.hasRest())
          reader.send((staging, from, bytes) => {
            const encoder = device.createCommandEncoder();
            encoder.copyBufferToBuffer(losses, from, staging, 0, bytes);
            queue.submit([encoder.finish()]);
          });
        return reader.receive(1);
      }),
    read: (into) =>
      onDevice(async () => {
        const places = placesOf(at, into);
        const staging = device.createBuffer({
          label: 'bandalign state read',
          size: 4 * at.size,
          usage: usage.mapRead | copyTo,
        });
        try {
          const encoder = device.createCommandEncoder();
          encoder.copyBufferToBuffer(state, 0, staging, 0, 4 * at.size);
          queue.submit([encoder.finish()]);
          await staging.mapAsync(forReading);
          const all = new Float32Array(staging.getMappedRange());
          for (const { at: from, values } of places) values.set(all.subarray(from, from + values.length));
        } finally {
          staging.destroy();
        }
      }),
    dispose: () => {
      ends?.pixels?.passes.destroy();
      reader.destroy();
      for (const one of made) one.destroy();
    },
  };
};

/**
 * Opens a training that stays on the device; null where the device has not the room for it.
 *
 * @throws Fault where the device is lost or out of memory
 */
export const openDeviceTraining = (input: DeviceTrainingInput): Promise<DeviceTraining | null> =>
  onDevice(() => open(input, gpuDevice()));
