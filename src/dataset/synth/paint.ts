/** What {@link mixPixels} needs of each field. */
export interface Mixture {
  cover: Float64Array;
  variation: Float64Array;
  brightness: Float64Array;
  roughness: Float64Array;
}

/** Share of plants and brightness of pixels `from` to `to` − 1. */
export const mixPixels = (
  { cover, variation, brightness, roughness }: Mixture,
  labels: Int32Array,
  coverNoise: Float32Array,
  relief: Float32Array,
  shadow: Float32Array,
  from: number,
  to: number,
  share: Float32Array,
  light: Float32Array,
): void => {
  for (let i = from; i < to; i++) {
    const field = labels[i];
    share[i] = Math.min(1, Math.max(0, cover[field] + variation[field] * coverNoise[i]));
    light[i] =
      Math.max(0.3, brightness[field] + 0.03 * relief[i]) * Math.max(0.3, 1 + roughness[field] * shadow[i]);
  }
};

/** Reflectance of one band: soil and plants in the pixels' shares. */
export const paintPixels = (
  bare: Float64Array,
  grown: Float64Array,
  labels: Int32Array,
  share: Float32Array,
  light: Float32Array,
  from: number,
  to: number,
  out: Float32Array,
): void => {
  for (let i = from; i < to; i++) {
    const field = labels[i];
    out[i] = light[i] * (bare[field] + share[i] * grown[field]);
  }
};

/** Lets the river and its bank take their shares of one band. */
export const floodPixels = (
  wet: Float32Array,
  wetBank: Float32Array,
  water: number,
  bank: number,
  from: number,
  to: number,
  out: Float32Array,
): void => {
  for (let i = from; i < to; i++) out[i] += wet[i] * (water - out[i]) + wetBank[i] * (bank - out[i]);
};
