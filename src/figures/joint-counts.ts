import type { PatchPixels } from '../dataset/patch.js';

/** Pixels counted by two values, over the same range on both: what a density scatter is drawn from. */
export interface JointCounts {
  bins: number;
  low: number;
  high: number;
  /** [y·bins + x]. */
  counts: Uint32Array;
  /** Pixels with a value outside the range: not in `counts`. */
  outside: number;
}

/** Empty counts over [low, high) in `bins` × `bins` equal squares. */
export const emptyJointCounts = (low: number, high: number, bins = 56): JointCounts => ({
  bins,
  low,
  high,
  counts: new Uint32Array(bins * bins),
  outside: 0,
});

/** Counts one pair of values. */
export const countPair = (joint: JointCounts, x: number, y: number): void => {
  const perUnit = joint.bins / (joint.high - joint.low);
  const column = Math.floor((x - joint.low) * perUnit);
  const row = Math.floor((y - joint.low) * perUnit);
  if (column >= 0 && column < joint.bins && row >= 0 && row < joint.bins)
    joint.counts[row * joint.bins + column]++;
  else joint.outside++;
};

/**
 * Counts the valid pixels of one band of a patch by prediction (x) and target (y).
 *
 * @param prediction stored units, [bands, height, width]
 */
export const countPixels = (
  joint: JointCounts,
  prediction: ArrayLike<number>,
  { target, mask, width, height }: PatchPixels,
  band: number,
): void => {
  const pixels = width * height;
  for (let i = 0; i < pixels; i++)
    if (mask[i] > 0) countPair(joint, prediction[band * pixels + i], target[band * pixels + i]);
};
