import type { ConvModule } from '../ops/mapping.js';
import { normEpsilon } from '../ops/unet-signature.js';

/**
 * Folds the conv module's batch norm for evaluation: scale = γ/√(var+ε), shift = β + (bias − mean)·scale.
 *
 * @param theta convLayout parameters: weight [C,C,3,3], bias [C], γ [C], β [C]
 * @param running mean [C], variance [C]
 */
export const foldConv = (bands: number, theta: Float32Array, running: Float32Array): ConvModule => {
  const weights = bands * bands * 9;
  const at = (part: number, band: number): number => theta[weights + part * bands + band];
  const scale = Float32Array.from(
    { length: bands },
    (_, band) => at(1, band) / Math.sqrt(running[bands + band] + normEpsilon),
  );
  const shift = scale.map((value, band) => at(2, band) + (at(0, band) - running[band]) * value);
  return { bands, weight: theta.slice(0, weights), scale, shift };
};
