import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { chooseBackend, type RunningBackend } from './backends/choose.js';
import type { BackendChoice } from './backends/names.js';

/**
 * Loads the whole package, not its core: in Node only this one registers the gradients of the ops. By `require`, and when
 * tensors are wanted: an `import` has Node look through its 7 MB for names first, three times the work of loading it.
 */
const registerOps = (): void => void createRequire(import.meta.url)('@tensorflow/tfjs');

let running: RunningBackend | null = null;

/**
 * Makes TensorFlow.js ready: gradients registered, its advice to install the native package silenced, a backend set.
 * Without a choice the one that was chosen last goes on (at first: `auto`), and the call is quick; with one, that
 * backend is opened, compared with `cpu` and set. Call it before any op.
 *
 * @throws Fault where the backend that is asked for does not work here
 */
export const startTensorflow = async (choice?: BackendChoice): Promise<RunningBackend> => {
  if (running && choice === undefined) return running;
  registerOps();
  tf.env().set('PROD', true);
  running = await chooseBackend(choice ?? 'auto');
  return running;
};

/** The backend that was chosen last; null before {@link startTensorflow}. */
export const runningBackend = (): RunningBackend | null => running;
