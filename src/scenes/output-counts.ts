import type { BandArray } from '../raster/predictor.js';
import { codes } from './pixel-coding.js';

/** Aligned values are counted by whole units from −16 384 on. */
const bias = 16384;

/** The value that each count of {@link outputCounts} stands for. */
export const countedValues = Float64Array.from({ length: codes }, (_, index) => index - bias);

/** Counts the aligned values of valid pixels, band by band: for statistics and the report. */
export const outputCounts = (bands: number) => {
  const counts = Array.from({ length: bands }, () => new Float64Array(codes));
  const indexOf = (value: number): number => Math.max(0, Math.min(codes - 1, Math.floor(value + 0.5) + bias));
  return {
    counts,
    /** Counts one value `times` times. */
    add: (band: number, value: number, times: number): void => {
      counts[band][indexOf(value)] += times;
    },
    /** Counts pixels that are data (`source` is not `nodata`, `missing` not 1) and valid. */
    addPixels: (
      band: number,
      pixels: BandArray,
      source: Uint16Array,
      nodata: number,
      valid: Uint8Array | null,
      missing: Uint8Array | null,
    ): void => {
      const into = counts[band];
      for (let i = 0; i < pixels.length; i++)
        if (source[i] !== nodata && (valid === null || valid[i] === 1) && missing?.[i] !== 1)
          into[indexOf(pixels[i])]++;
    },
  };
};
