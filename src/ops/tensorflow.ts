// the whole package, not its core: in Node only this one registers the gradients of the ops
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Makes TensorFlow.js ready: gradients registered, its advice to install the native package silenced, backend `cpu`
 * unless another was chosen before. Call it before any op; it is quick when called again.
 */
export const startTensorflow = async (): Promise<void> => {
  tf.env().set('PROD', true);
  if (!chosen) await tf.setBackend('cpu');
  chosen = true;
};

let chosen = false;
