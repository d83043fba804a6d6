import type { Raster, RasterWindow } from '../raster/raster.js';

/** A raster on the scene's grid that says which pixels belong to the tile's histogram. */
export interface SceneMask {
  kind: 'mask' | 'scl' | 'qa';
  path: string;
  raster: Raster;
  /** By stored value: 1 valid, 0 not. Values beyond the table are tested by `isValid`. */
  isValid(value: number): boolean;
}

/**
 * Scene classification values that take part: dark, vegetation, bare soil, water, unclassified, snow (Sen2Cor). Left
 * out: no data 0, saturated or defective 1, cloud shadow 3, cloud 8 and 9, cirrus 10.
 */
export const sclValidDefault: readonly number[] = [2, 4, 5, 6, 7, 11];

/** A mask file is valid above 0, as in the training data; its nodata is not. */
export const maskRule = (nodata: number | null) => (value: number) => value > 0 && value !== nodata;

export const sclRule = (valid: readonly number[]): SceneMask['isValid'] => {
  const classes = new Set(valid);
  return (value) => classes.has(value);
};

export const qaRule = (bits: readonly number[]): SceneMask['isValid'] => {
  const any = bits.reduce((sum, bit) => sum + 2 ** bit, 0);
  // beyond 31 bits JavaScript's operators do not reach
  return (value) => (value & any) === 0;
};

const memory = 65536;

/** Valid pixels (1) of a window by all masks together; null without masks. */
export const readValidity = async (
  masks: readonly SceneMask[],
  window: RasterWindow,
): Promise<Uint8Array | null> => {
  if (masks.length === 0) return null;
  const valid = new Uint8Array(window[2] * window[3]).fill(1);
  for (const { raster, isValid } of masks) {
    const [pixels] = await raster.read({ window, bands: [1] });
    const known = new Int8Array(memory).fill(-1);
    for (let i = 0; i < pixels.length; i++) {
      const value = pixels[i];
      let verdict = known[value] ?? -1;
      if (verdict < 0) {
        verdict = isValid(value) ? 1 : 0;
        if (value >= 0 && value < memory && Number.isInteger(value)) known[value] = verdict;
      }
      if (verdict === 0) valid[i] = 0;
    }
  }
  return valid;
};
