import { encodePng } from '../figures/encode-png.js';
import { quantileColours } from '../figures/theme.js';
import { alignPixels, type Mapping } from '../models/mapping.js';
import type { SmallImage } from './quicklook.js';
import { noEstimate } from './uncertainty.js';
import type { ValueStatistics } from './value-statistics.js';

/** What alignment does to a value of a band, the model's units. */
export interface Change {
  value: number;
  /** Aligned − value. */
  change: number;
}

/** What a quality page shows of a scene beside its numbers. Pictures are PNGs. */
export interface QualityPictures {
  /** The aligned scene; null where its COG has no overviews. */
  scene: Uint8Array | null;
  /** The error to expect, in classes of as many pixels each, and between which errors each class lies; null where it is unknown. */
  uncertainty: { png: Uint8Array; limits: number[] } | null;
  /** For each band, over the values of all but the outermost pixels. */
  changes: Change[][];
}

const points = 96;

/**
 * What a mapping does to each band between the 1 and the 99 % of a scene's values, its conv module aside. Where it takes all
 * bands together, the others stand at their mean.
 */
export const changesOf = (
  mapping: Mapping,
  bands: readonly Pick<ValueStatistics, 'mean' | 'percentiles'>[],
): Change[][] =>
  bands.map(({ percentiles: { p1: min, p99: max } }, band) => {
    if (!(max > min)) return [];
    const values = Array.from({ length: points }, (_, i) =>
      Math.round(min + ((max - min) * i) / (points - 1)),
    );
    const source = Int16Array.from(
      bands.flatMap(({ mean }, other) => values.map((value) => (other === band ? value : Math.round(mean)))),
    );
    const pixels = { width: points, height: 1, bands: bands.length, source, target: source };
    const aligned = alignPixels(mapping, null, { ...pixels, mask: new Uint8Array(points).fill(1) });
    return values.map((value, i) => ({ value, change: aligned[band * points + i] - value }));
  });

const rgb = quantileColours.map((colour) =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)),
);

/**
 * A map of the error to expect, root mean square over bands, in five classes of as many pixels each; pixels without an estimate
 * are transparent. Null where no pixel has one.
 */
export const uncertaintyPicture = ({ width, height, bands }: SmallImage): QualityPictures['uncertainty'] => {
  const errors = Float64Array.from({ length: width * height }, (_, i) => {
    const known = bands.map((band) => band[i]).filter((value) => value < noEstimate);
    return Math.sqrt(known.reduce((sum, value) => sum + value * value, 0) / known.length);
  });
  const sorted = errors.filter((error) => !Number.isNaN(error)).sort();
  if (sorted.length === 0) return null;
  const limits = Array.from(
    { length: rgb.length + 1 },
    (_, i) => sorted[Math.min(sorted.length - 1, Math.floor((i * sorted.length) / rgb.length))],
  );
  const out = new Uint8Array(4 * width * height);
  errors.forEach((error, i) => {
    if (Number.isNaN(error)) return;
    const above = limits.findIndex((limit, at) => at > 0 && error < limit);
    out.set([...rgb[above < 0 ? rgb.length - 1 : above - 1], 255], 4 * i);
  });
  return { png: encodePng(out, width, height), limits };
};
