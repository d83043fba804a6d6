import type { AlignedWindow, WindowMapping } from './align-window.js';
import { codeCounter } from './code-counter.js';
import { bitsOf, codes, type PixelCoding } from './pixel-coding.js';

/** Aligned values are counted by whole units from −16 384 on. */
const bias = 16384;

/** The value that each count of {@link outputCounts} stands for. */
export const countedValues = Float64Array.from({ length: codes }, (_, index) => index - bias);

/** Counts values, band by band: for statistics and the report. */
export const outputCounts = (bands: number) => {
  const counts = Array.from({ length: bands }, () => new Float64Array(codes));
  const indexOf = (value: number): number => Math.max(0, Math.min(codes - 1, Math.floor(value + 0.5) + bias));
  return {
    counts,
    /** Counts one value `times` times. */
    add: (band: number, value: number, times: number): void => {
      counts[band][indexOf(value)] += times;
    },
  };
};

/** Counts the aligned values of pixels that are data and valid, a window at a time. */
export const pixelCounts = (
  { type, nodata }: Pick<WindowMapping, 'type' | 'nodata'>,
  codings: readonly PixelCoding[],
) => {
  const total = outputCounts(codings.length);
  if (type === 'float32')
    return {
      counts: () => total.counts,
      add: ({ bands, codes, missing }: AlignedWindow, valid: Uint8Array | null): void => {
        const source = codes();
        bands.forEach((band, b) => {
          for (let i = 0; i < band.length; i++)
            if (
              source[b][i] !== codings[b].nodata &&
              (valid === null || valid[i] === 1) &&
              missing?.[i] !== 1
            )
              total.add(b, band[i], 1);
        });
      },
    };
  // whole samples: what is not data, and nothing else, is nodata
  const counter = codeCounter(codings.length);
  return {
    counts: () => {
      counter.counts().valid.forEach((band, b) => {
        for (let code = 0; code < codes; code++) {
          const value = type === 'int16' ? (code << 16) >> 16 : code;
          if (band[code] > 0 && value !== nodata) total.add(b, value, band[code]);
        }
      });
      return total.counts;
    },
    add: ({ bands }: AlignedWindow, valid: Uint8Array | null): void => counter.add(bands.map(bitsOf), valid),
  };
};
