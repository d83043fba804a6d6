import type { Scalar, Tensor1D, Tensor3D } from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../dataset/patch.js';
import { composedAlignLoss } from './composed/align-loss.js';
import { isFused } from './form.js';
import { fusedAlignLoss } from './fused/align-loss.js';

export interface AlignLossInputs {
  /** Knots of each sample and band, stored units, [B, C, K]. */
  lut: Tensor3D;
  /** The conv module's parameters as `convLayout(C)` lays them: weight [C, C, 3, 3], bias, γ, β. */
  conv: Tensor1D;
  /** Its running statistics: mean [C], variance [C]. */
  running: Tensor1D;
  /** B patches of one size. */
  batch: readonly PatchPixels[];
  bandMax: readonly number[];
  /** `batch`: normalise by the batch's statistics and update the running ones; `running`: use those, keep them. */
  norm: 'batch' | 'running';
}

export interface AlignLoss {
  /** Σ mask·(out − target)² / (valid pixels · C), stored units squared; 0 with zero gradients where none is valid. */
  mse: Scalar;
  /** The running statistics after this step, [2·C]. */
  running: Tensor1D;
}

/**
 * The loss of the LUT with its conv module on a batch of pixels: `y = LUT(source)`, `z = BN(conv3×3(y) + bias)` over
 * all pixels, masked or not, `out = y + ReLU(z)` (paper code, notes §4). ε 1e-5, momentum 0.1; biased variance
 * normalises, unbiased variance is kept. Differentiable with respect to `lut` and `conv`, once.
 */
export const alignLoss = (inputs: AlignLossInputs): AlignLoss =>
  isFused('align-loss') ? fusedAlignLoss(inputs) : composedAlignLoss(inputs);
