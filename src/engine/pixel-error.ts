import type { PatchPixels } from '../dataset/patch.js';

export interface PixelErrorInputs<P = PatchPixels> {
  /** Knots of each sample and band, stored units, [B, C, K]. */
  lut: Float32Array;
  /** The conv module's parameters as `convLayout(C)` lays them: weight [C, C, 3, 3], bias, γ, β. */
  conv: Float32Array;
  /** Its running statistics: mean [C], variance [C]. */
  running: Float32Array;
  /** B patches of one size. */
  patches: readonly P[];
  /** Of each band: its LUT reads 0 … bandMax − 1. */
  bandMax: readonly number[];
  /** `batch`: normalise by the batch's statistics and update the running ones; `running`: use those, keep them. */
  norm: 'batch' | 'running';
}

/**
 * The error of the LUT with its conv module on a batch of pixels, as the published code defines it: `y = LUT(source)`,
 * `z = BN(conv3×3(y) + bias)` over all pixels, masked or not, `out = y + ReLU(z)`. ε 1e-5, momentum 0.1; biased variance
 * normalises, unbiased variance is kept.
 */
export interface PixelError {
  /** Σ mask·(out − target)² / (valid pixels · C), stored units²; 0 with zero gradients where none is valid. */
  mse: number;
  /** The running statistics after this step, [2·C]. */
  running: Float32Array;
  /** Gradient by `lut`, [B, C, K]. */
  dLut: Float32Array;
  /** Gradient by `conv`. */
  dConv: Float32Array;
}
