import type { Slot } from '../engine/layout.js';
import type { TrainingDomain, ValueResiduals } from '../experiments/aligner.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { digest, writeAtomic } from '../files.js';
import { flatten, type Tensor, type TensorFile } from '../models/tensor-file.js';
import type { NetworkLayout, NetworkWeights } from './network.js';
import { encodeSafetensors, readSafetensors } from './safetensors.js';
import type { TrainingState } from './state.js';

const f32 = (data: Float32Array, ...shape: number[]): Tensor => ({ dtype: 'F32', shape, data });

const named = (vector: Float32Array, slots: readonly Slot[], offset: number): [string, Tensor][] =>
  slots.map((slot) => [
    slot.name,
    f32(vector.slice(offset + slot.offset, offset + slot.offset + slot.size), ...slot.shape),
  ]);

/** Tensors that PyTorch's batch norm keeps beside its running statistics, so that it loads ours strictly. */
const trackedCounters = (slots: readonly Slot[], steps: number): [string, Tensor][] =>
  slots
    .filter((slot) => slot.name.endsWith('.running_var'))
    .map((slot) => [
      slot.name.replace(/running_var$/, 'num_batches_tracked'),
      { dtype: 'I64', shape: [], data: BigInt64Array.of(BigInt(steps)) },
    ]);

/** Tensors that stand in our files beside a model's own: optimiser state, what training saw, PyTorch's counters. */
export const isExtraTensor = (name: string): boolean =>
  /^(training|optimizer|domain|residuals)\./.test(name) || name.endsWith('.num_batches_tracked');

/** Tensors of a network under their names: the weights to evaluate with, the moving average where there is one. */
export const networkTensors = (
  { network, conv, constants }: NetworkLayout,
  state: TrainingState,
  values: NetworkWeights['constants'],
): Map<string, Tensor> => {
  const theta = state.ema ?? state.theta;
  const tensors = new Map([
    ...named(theta, network.parameters, 0),
    ...named(state.running, network.running, 0),
    ...trackedCounters(network.running, state.step),
  ]);
  if (conv)
    for (const [name, tensor] of [
      ...named(theta, conv.parameters, network.parameterCount),
      ...named(state.running, conv.running, network.runningCount),
      ...trackedCounters(conv.running, state.step),
    ])
      tensors.set(name, tensor);
  for (const { name, shape } of constants) tensors.set(name, f32(values[name], ...shape));
  return tensors;
};

/** Optimiser state, flat, in the order of the layouts. */
const optimiserTensors = (state: TrainingState): [string, Tensor][] => [
  ['training.theta', f32(state.theta, state.theta.length)],
  ['training.m', f32(state.m, state.m.length)],
  ['training.v', f32(state.v, state.v.length)],
  ...(state.ema ? [['training.ema', f32(state.ema, state.ema.length)] as [string, Tensor]] : []),
];

/** What training saw, as tensors. */
export const domainTensors = (
  domain: TrainingDomain,
  residuals: ValueResiduals | null,
  bands: number,
): [string, Tensor][] => {
  const tiles = domain.distances[0].length;
  const distances = new Float32Array(bands * tiles);
  for (const [band, row] of domain.distances.entries()) distances.set(row, band * tiles);
  const bins = domain.meanHistogram.length / bands;
  return [
    ['domain.mean_histogram', f32(domain.meanHistogram, bands, bins)],
    ['domain.distances', f32(distances, bands, tiles)],
    ...(residuals
      ? ([
          ['residuals.count', { dtype: 'F64', shape: [bands, bins], data: residuals.count }],
          ['residuals.rmse', f32(residuals.rmse, bands, bins)],
          ['residuals.bias', f32(residuals.bias, bands, bins)],
        ] as [string, Tensor][])
      : []),
  ];
};

/** Reads back {@link domainTensors}. */
export const readDomain = ({
  tensors,
}: TensorFile): { domain: TrainingDomain | null; residuals: ValueResiduals | null } => {
  const floats = (name: string): Float32Array | null => {
    const tensor = tensors.get(name);
    return tensor?.dtype === 'F32' ? tensor.data : null;
  };
  const [meanHistogram, distances, rmse, bias] = [
    floats('domain.mean_histogram'),
    floats('domain.distances'),
    floats('residuals.rmse'),
    floats('residuals.bias'),
  ];
  const [bands, tiles] = tensors.get('domain.distances')?.shape ?? [0, 0];
  const count = tensors.get('residuals.count');
  return {
    domain:
      meanHistogram && distances
        ? {
            meanHistogram,
            distances: Array.from({ length: bands }, (_, band) =>
              distances.subarray(band * tiles, (band + 1) * tiles),
            ),
          }
        : null,
    residuals: rmse && bias && count?.dtype === 'F64' ? { count: count.data, rmse, bias } : null,
  };
};

/** Metadata of a checkpoint: SHA-256 of the file as it is without this entry. */
const digestKey = 'sha256';

/**
 * Writes weights with their configuration; `state` adds what training needs to go on, and a digest of it all. Weights without
 * a state have theirs in the run's result.
 */
export const writeWeights = async (
  path: string,
  experiment: Experiment,
  tensors: ReadonlyMap<string, Tensor>,
  state: TrainingState | null,
): Promise<void> => {
  const all = new Map([...tensors, ...(state ? optimiserTensors(state) : [])]);
  const metadata: Record<string, string> = { format: 'pt', bandalign: JSON.stringify(experiment) };
  if (state) {
    const { step, epoch, random, frozen, best } = state;
    metadata['training'] = JSON.stringify({ step, epoch, random, frozen, best });
    metadata[digestKey] = digest(encodeSafetensors(all, metadata));
  }
  await writeAtomic(path, encodeSafetensors(all, metadata));
};

/** Splits a file's metadata into the digest that it records of itself, if any, and the rest. */
const withoutDigest = ({ metadata }: TensorFile): { recorded?: string; rest: Record<string, string> } => {
  const { [digestKey]: recorded, ...rest } = metadata;
  return { recorded, rest };
};

/**
 * Reads a safetensors file, and compares it with the digest that it records of itself where it is a checkpoint.
 * @throws Fault where they differ, and for whatever {@link readSafetensors} refuses
 */
export const readWholeSafetensors = async (path: string): Promise<TensorFile> => {
  const file = await readSafetensors(path);
  const { recorded, rest } = withoutDigest(file);
  if (recorded !== undefined && digest(encodeSafetensors(file.tensors, rest)) !== recorded)
    throw new Fault(
      `weights: ${path}; damaged, it is not what its SHA-256 ${recorded.slice(0, 12)}… was taken of: restore the file, or make the run anew with --overwrite`,
    );
  return file;
};

/** Adds tensors to a weights file that is already written, replacing those of the same name; its digest then lies elsewhere. */
export const addTensors = async (
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
): Promise<void> => {
  const file = await readWholeSafetensors(path);
  const { rest } = withoutDigest(file);
  await writeAtomic(path, encodeSafetensors(new Map([...file.tensors, ...tensors]), rest));
};

/** Training state of a checkpoint. @throws Fault where the file holds none or is of another shape. */
export const readState = (path: string, file: TensorFile, layout: NetworkLayout): TrainingState => {
  const text = file.metadata['training'];
  if (text === undefined) throw new Fault(`checkpoint: ${path}; it holds weights but no training state`);
  let rest: Pick<TrainingState, 'step' | 'epoch' | 'random' | 'frozen' | 'best'>;
  try {
    rest = JSON.parse(text) as typeof rest;
  } catch {
    throw new Fault(`checkpoint: ${path}; its training state is no JSON; restore the file`);
  }
  const slot = (name: string): Slot => ({
    name,
    shape: [layout.parameterCount],
    offset: 0,
    size: layout.parameterCount,
  });
  const has = (name: string): boolean => file.tensors.has(name);
  const everything = (): boolean => true;
  const [theta, m, v, ema] = flatten(
    path,
    file,
    ['training.theta', 'training.m', 'training.v', ...(has('training.ema') ? ['training.ema'] : [])].map(
      (name) => ({
        slots: [slot(name)],
      }),
    ),
    everything,
  );
  const [ownRunning, convRunning] = flatten(
    path,
    file,
    [{ slots: layout.network.running }, { slots: layout.conv?.running ?? [] }],
    everything,
  );
  const running = new Float32Array(layout.runningCount);
  running.set(ownRunning);
  running.set(convRunning, layout.network.runningCount);
  return { ...rest, theta, m, v, ema: ema ?? null, running };
};
