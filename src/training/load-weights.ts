import type { Slot } from '../engine/layout.js';
import type { Aligner } from '../experiments/aligner.js';
import { type Experiment, restoreExperiment } from '../experiments/experiment.js';
import { loadExperiment } from '../experiments/load.js';
import { Fault } from '../fault.js';
import { fileDigest } from '../files.js';
import { modelOf } from '../models/index.js';
import type { Tensors, Tile } from '../models/model.js';
import { flatten, type TensorFile } from '../models/tensor-file.js';
import { isExtraTensor, readDomain, readWholeSafetensors } from './checkpoint.js';
import { contextOf, convModule, type NetworkLayout, type NetworkWeights, networkLayout } from './network.js';
import { openStepper } from './open-stepper.js';
import { readPth } from './pth.js';
import { checkRunWeights } from './result.js';
import type { Stepper } from './stepper.js';

/** Weights without a configuration, such as the original's .pth, are taken as this experiment. */
const assumed = 'paper/unet-lut-conv-tv';

const readWeights = async (path: string): Promise<TensorFile> => {
  if (/\.(pth|pt|ckpt)$/i.test(path)) return readPth(path);
  if (/\.safetensors$/i.test(path)) return readWholeSafetensors(path);
  throw new Fault(`weights: ${path}; a .safetensors or a PyTorch .pth file (.pt, .ckpt) is needed`);
};

const experimentOf = async (
  path: string,
  { metadata }: TensorFile,
  words: readonly string[],
): Promise<Experiment> => {
  const text = metadata['bandalign'];
  if (text === undefined) return loadExperiment(assumed, words);
  let stored: unknown = null;
  try {
    stored = JSON.parse(text);
  } catch {
    // told below
  }
  if (stored === null || typeof stored !== 'object' || Array.isArray(stored))
    throw new Fault(`weights: ${path}: its configuration is no JSON object; take another copy`);
  // the machine that trained is not the one that predicts
  return restoreExperiment({ ...stored, backend: 'auto' }, words);
};

/** The weights of a network from a file's tensors; a conv module that is not asked for is left out. */
const networkWeights = (path: string, file: TensorFile, layout: NetworkLayout): NetworkWeights => {
  const { network, conv, constants } = layout;
  const slots = (all: readonly Slot[] | undefined) => ({ slots: all ?? [] });
  const [own, ownRunning, module, moduleRunning, ...values] = flatten(
    path,
    file,
    [
      ...[slots(network.parameters), slots(network.running), slots(conv?.parameters), slots(conv?.running)],
      ...constants.map((slot) => ({ slots: [slot] })),
    ],
    // a LUT to correct stands unused in the file of a model that is asked to predict absolute ones
    (name) => isExtraTensor(name) || name.startsWith('base.') || (conv === null && name.startsWith('conv1.')),
  );
  const theta = new Float32Array(layout.parameterCount);
  theta.set(own);
  theta.set(module, network.parameterCount);
  const running = new Float32Array(layout.runningCount);
  running.set(ownRunning);
  running.set(moduleRunning, network.runningCount);
  return {
    theta,
    running,
    constants: Object.fromEntries(constants.map(({ name }, i) => [name, values[i]])),
  };
};

const networkMapping = (
  experiment: Experiment,
  layout: NetworkLayout,
  weights: NetworkWeights,
): Aligner['mapping'] => {
  const { model, data } = experiment;
  let opening: Promise<Stepper> | null = null;
  let asked: { histogram: Tile['histogram']; answer: (luts: Promise<Float32Array[]>, at: number) => void }[] =
    [];
  const predict = async (histograms: readonly Tile['histogram'][]): Promise<Float32Array[]> => {
    opening ??= openStepper(experiment, layout);
    return (await opening).predict(weights, histograms);
  };
  const answerAll = (): void => {
    const luts = predict(asked.map(({ histogram }) => histogram));
    for (const [i, { answer }] of asked.entries()) answer(luts, i);
    asked = [];
  };
  // tiles that are asked for in one go are predicted together
  return async ({ histogram }) => {
    const values = await new Promise<Float32Array>((resolve) => {
      asked.push({ histogram, answer: (luts, at) => resolve(luts.then((all) => all[at])) });
      if (asked.length === 1) queueMicrotask(answerAll);
    });
    return { form: 'lut', knots: model.knots, bandMax: data.bandMax, values };
  };
};

const restoreFitted = (path: string, experiment: Experiment, tensors: Tensors): unknown => {
  const model = modelOf(experiment);
  if (!model.restore)
    throw new Fault(`weights: ${path}; a model of kind ${model.kind} has none to be read back`);
  try {
    return model.restore(tensors, contextOf(experiment));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(
      error.faults.map((line) => line.replace(/^weights: /, `weights: ${path} `)),
      error.exitCode,
      { cause: error },
    );
  }
};

/** What a fitted model of closed form does to a tile. */
export const fittedMapping = (experiment: Experiment, fitted: unknown) => async (tile: Tile) =>
  modelOf(experiment).mapping!(fitted, tile, contextOf(experiment));

/**
 * Loads fitted weights: ours (.safetensors, configuration inside) or the original's (.pth, taken as
 * `paper/unet-lut-conv-tv`); `words` are `--set` overrides. With `model.conv=false` a conv module in the file is left
 * out. Never runs code that a file names: the weights of a model of one's own load where this process has defined it.
 *
 * @throws Fault for a file that is cut, malformed, not the one that its run's `result.json` records, or whose tensors are
 *   not the model's (all of them named), and for a model that this process does not know
 */
export const loadAligner = async (path: string, words: readonly string[] = []): Promise<Aligner> => {
  const file = await readWeights(path);
  const experiment = await experimentOf(path, file, words);
  const weightsDigest = await fileDigest(path);
  await checkRunWeights(path, weightsDigest);
  const common = { experiment, weightsDigest, ...readDomain(file) };
  if (!modelOf(experiment).network) {
    const own = new Map([...file.tensors].filter(([name]) => !isExtraTensor(name)));
    return {
      ...common,
      conv: null,
      mapping: fittedMapping(experiment, restoreFitted(path, experiment, own)),
    };
  }
  const layout = networkLayout(experiment);
  const weights = networkWeights(path, file, layout);
  return {
    ...common,
    conv: convModule(layout, weights),
    mapping: networkMapping(experiment, layout, weights),
  };
};
