import type * as tf from '@tensorflow/tfjs-core';
import type { UnetSpec } from './unet-layout.js';

/** Added to a variance before its root is taken, in batch and group norm (PyTorch's default). */
export const normEpsilon = 1e-5;
/** Weight of a batch's statistics in the updated running statistics (PyTorch's default). */
export const normMomentum = 0.1;

export interface UnetInputs {
  /** All parameters in the order of `unetLayout`, [parameterCount]. */
  theta: tf.Tensor1D;
  /** Running mean and variance of each batch norm, [runningCount]; with group norm any tensor, handed back. */
  running: tf.Tensor1D;
  /** Histograms, [batch, bands, knots]. */
  x: tf.Tensor3D;
  spec: UnetSpec;
  /** Batch norm by the statistics of this batch (training) or by `running`. Group norm has no such choice. */
  norm: 'batch' | 'running';
}

export interface UnetOutputs {
  /** [batch, bands, knots], before any ReLU or scale. */
  out: tf.Tensor3D;
  /** `running` moved towards this batch's mean and unbiased variance with `norm: 'batch'`; else the same values. */
  running: tf.Tensor1D;
}
