import { seededRandom } from '../config/random.js';
import type { JointShape } from '../dataset/joint-statistics.js';
import { type ConvModule, foldConv } from '../engine/conv.js';
import {
  convLayout,
  initialise,
  initialRunning,
  type Layout,
  type Slot,
  slotWriter,
} from '../engine/layout.js';
import type { Experiment } from '../experiments/experiment.js';
import { modelOf } from '../models/index.js';
import type { FitInput, ModelContext, NamedValues, Network } from '../models/model.js';
import type { TrainingState } from './state.js';

/** Where each tensor of a network lies in its flat vectors: the network's own first, then the conv module's. */
export interface NetworkLayout {
  network: Layout;
  /** Null without the conv module. */
  conv: Layout | null;
  parameterCount: number;
  runningCount: number;
  /** Tensors that are computed from the data, each a vector of its own. */
  constants: Slot[];
}

/** Values of a network. */
export interface NetworkWeights {
  /** [parameterCount] */
  theta: Float32Array;
  /** [runningCount] */
  running: Float32Array;
  /** By the name of the constant. */
  constants: Record<string, Float32Array>;
}

/** The network of an experiment's model. Throws for a model in closed form. */
export const networkOf = (experiment: Experiment): Network<never> => {
  const { network } = modelOf(experiment);
  if (!network) throw new Error(`${experiment.model.kind} has no network`);
  return network as Network<never>;
};

/** What a model is told of its experiment. */
export const contextOf = ({ model, data }: Experiment): ModelContext<never> => ({
  settings: model as never,
  data,
});

/** The shape of the joint statistics that an experiment's model looks at; null where it does not. */
export const jointShapeOf = (experiment: Experiment): JointShape | null =>
  modelOf(experiment).joint?.(contextOf(experiment)) ?? null;

const slotsOf = (values: NamedValues): { slots: Slot[]; count: number } => {
  const writer = slotWriter();
  for (const [name, { shape }] of Object.entries(values)) writer.add(name, ...shape);
  return { slots: writer.slots, count: writer.count() };
};

const fresh = (experiment: Experiment, next = seededRandom(experiment.seed, 'weights')) => {
  const context = contextOf(experiment);
  const { init, initRunning } = networkOf(experiment);
  return { weights: init({ ...context, random: next }), running: initRunning?.(context) ?? {}, random: next };
};

/** The layout that an experiment's configuration asks for. */
export const networkLayout = (experiment: Experiment): NetworkLayout => {
  const { weights, running } = fresh(experiment);
  const [parameters, statistics] = [slotsOf(weights), slotsOf(running)];
  const network: Layout = {
    parameters: parameters.slots,
    parameterCount: parameters.count,
    running: statistics.slots,
    runningCount: statistics.count,
  };
  const conv = experiment.model.conv ? convLayout(experiment.data.bands.length) : null;
  const shapes = networkOf(experiment).constants?.shapes(contextOf(experiment)) ?? {};
  return {
    network,
    conv,
    parameterCount: network.parameterCount + (conv?.parameterCount ?? 0),
    runningCount: network.runningCount + (conv?.runningCount ?? 0),
    constants: Object.entries(shapes).map(([name, shape]) => ({
      name,
      shape,
      offset: 0,
      size: shape.reduce((a, b) => a * b, 1),
    })),
  };
};

const flat = (count: number, parts: readonly ArrayLike<number>[]): Float32Array => {
  const out = new Float32Array(count);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** Training state before the first step, drawn from the experiment's seed; the conv module as PyTorch's defaults give it. */
export const freshState = (experiment: Experiment, layout: NetworkLayout): TrainingState => {
  const { weights, running, random } = fresh(experiment);
  const values = (named: NamedValues): ArrayLike<number>[] => Object.values(named).map((one) => one.values);
  const { conv } = layout;
  const theta = flat(layout.parameterCount, [
    ...values(weights),
    ...(conv ? [initialise(conv, random.next)] : []),
  ]);
  return {
    theta,
    running: flat(layout.runningCount, [...values(running), ...(conv ? [initialRunning(conv)] : [])]),
    m: new Float32Array(theta.length),
    v: new Float32Array(theta.length),
    ema: experiment.train.ema > 0 ? theta.slice() : null,
    step: 0,
    epoch: 0,
    random: [],
    frozen: false,
    best: null,
  };
};

/** The tensors that a network takes from the training data. */
export const networkConstants = (
  experiment: Experiment,
  input: FitInput<never>,
): NetworkWeights['constants'] =>
  Object.fromEntries(
    Object.entries(networkOf(experiment).constants?.values(input) ?? {}).map(([name, values]) => [
      name,
      Float32Array.from(values),
    ]),
  );

/** The conv module of some weights in evaluation mode, its batch norm folded in; null without one. */
export const convModule = (layout: NetworkLayout, { theta, running }: NetworkWeights): ConvModule | null => {
  const { network, conv } = layout;
  if (!conv) return null;
  // its running statistics are a mean and a variance for each band
  const bands = conv.runningCount / 2;
  return foldConv(bands, theta.subarray(network.parameterCount), running.subarray(network.runningCount));
};
