import type { ExpectedError } from '../models/mapping.js';
import type { ValueCounts } from './count-values.js';
import { countedValues } from './output-counts.js';
import type { TileDistance } from './tile-distance.js';
import { type ValueStatistics, valueStatistics } from './value-statistics.js';

/** One band of the quality report. Values are the model's units, reflectance × 10 000. */
export interface BandQuality {
  name: string;
  bandMax: number;
  /** Shares of all pixels. */
  valid: number;
  nodata: number;
  masked: number;
  before: ValueStatistics;
  after: ValueStatistics;
  /** Shares of valid pixels in `histogramBins` bins over [0, bandMax]. */
  histogramBefore: number[];
  histogramAfter: number[];
  /** Distance of this tile's histogram to training; null where the weights do not say. */
  distance: { value: number; largestSeen: number; rank: number } | null;
  /** Expected root mean square error of the tile; null where unknown. */
  expectedError: number | null;
  /** 95 % of tiles have an error in this range; absent for a model that does not say. */
  expectedRange?: [number, number];
}

/** What `NAME.quality.json` holds. */
export interface Quality {
  scene: string;
  warnings: string[];
  bands: BandQuality[];
  /** Whether the tile is farther from the training tiles' mean than any of them; null where unknown. */
  farFromTraining: boolean | null;
}

export const histogramBins = 128;

const binned = (counts: Float64Array, values: ArrayLike<number>, bandMax: number): number[] => {
  const bins = new Array<number>(histogramBins).fill(0);
  let total = 0;
  for (let code = 0; code < counts.length; code++) {
    if (counts[code] === 0) continue;
    total += counts[code];
    const bin = Math.floor((values[code] * histogramBins) / bandMax);
    if (bin >= 0 && bin < histogramBins) bins[bin] += counts[code];
  }
  return bins.map((count) => (total > 0 ? Number((count / total).toPrecision(6)) : 0));
};

interface QualityParts {
  scene: string;
  names: readonly string[];
  bandMax: readonly number[];
  counts: ValueCounts;
  values: readonly Float32Array[];
  after: readonly Float64Array[];
  distance: TileDistance | null;
  expected: readonly number[] | null;
  range: ExpectedError | null;
  warnings: string[];
}

/** Brings together what both passes counted. */
export const qualityOf = (parts: QualityParts): Quality => {
  const { names, bandMax, counts, values, after, distance, expected, range } = parts;
  const share = (count: number): number => count / counts.pixels;
  return {
    scene: parts.scene,
    warnings: parts.warnings,
    farFromTraining: distance?.far ?? null,
    bands: names.map((name, band) => {
      const before = valueStatistics(counts.bands[band], values[band], bandMax[band]);
      return {
        name,
        bandMax: bandMax[band],
        valid: share(before.n),
        nodata: share(counts.nodata[band]),
        masked: share(counts.masked[band]),
        before,
        after: valueStatistics(after[band], countedValues, bandMax[band]),
        histogramBefore: binned(counts.bands[band], values[band], bandMax[band]),
        histogramAfter: binned(after[band], countedValues, bandMax[band]),
        distance: distance && {
          value: distance.distance[band],
          largestSeen: distance.largestSeen[band],
          rank: distance.rank[band],
        },
        expectedError: expected && Number.isFinite(expected[band]) ? expected[band] : null,
        ...(range && { expectedRange: [range.low[band], range.high[band]] as [number, number] }),
      };
    }),
  };
};
