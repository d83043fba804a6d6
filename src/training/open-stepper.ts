import { openEngine } from '../engine/engine.js';
import type { Experiment } from '../experiments/experiment.js';
import { type BackendDevice, type BackendName, chooseBackend } from './backends.js';
import { type NetworkLayout, networkOf } from './network.js';
import { engineStepper, type Stepper } from './stepper.js';

/** What computes, why this, and by which implementation: a run's environment records it. */
export interface RunningBackend extends BackendDevice {
  name: BackendName;
  why: string;
  implementation: 'engine' | 'TensorFlow.js';
}

let running: RunningBackend | null = null;

/** The backend that was opened last; null where no network was needed. */
export const runningBackend = (): RunningBackend | null => running;

/** Whether the engine computes an experiment's network on this backend. */
const isOfEngine = (experiment: Experiment, name: BackendName): name is 'cpu' | 'webgpu' =>
  networkOf(experiment).engine !== undefined && (name === 'cpu' || name === 'webgpu');

/**
 * Opens the backend that an experiment's network trains on: the engine where it knows the network, else TensorFlow.js.
 *
 * @throws Fault where a backend that was asked for by name does not work: never another one in its place
 */
export const openBackend = async (experiment: Experiment): Promise<RunningBackend> => {
  const { name, why } = chooseBackend(experiment.backend);
  if (isOfEngine(experiment, name)) {
    const { version, device, isGpu } = await openEngine(name);
    running = { name, version, device, isGpu, why, implementation: 'engine' };
  } else {
    const { startTensorflow } = await import('./tensorflow/start.js');
    running = { name, ...(await startTensorflow(name)), why, implementation: 'TensorFlow.js' };
  }
  return running;
};

/** What computes an experiment's network on its backend. */
export const openStepper = async (experiment: Experiment, layout: NetworkLayout): Promise<Stepper> => {
  const { name } = await openBackend(experiment);
  if (isOfEngine(experiment, name)) return engineStepper(experiment, layout, await openEngine(name));
  const { autogradStepper } = await import('./autograd.js');
  return autogradStepper(experiment, layout, name);
};
