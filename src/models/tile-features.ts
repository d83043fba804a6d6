import { l1 } from '../dataset/histogram.js';
import { differenceBins } from '../dataset/joint-statistics.js';
import type { Tile } from './model.js';

/** What a kernel compares tiles by; each a vector of fixed length. */
export const featureNames = ['share', 'quantile', 'level', 'joint', 'ratio'] as const;
export type FeatureName = (typeof featureNames)[number];

/** Square roots of shares: the distance of two such vectors is Hellinger's. */
const roots = (counts: ArrayLike<number>, groups: number): Float64Array =>
  l1(counts, groups).map((share) => Math.sqrt(share));

const evenLevels = Array.from({ length: 40 }, (_, i) => 0.005 + (0.99 * i) / 39);
/** Few levels, close to each other at both ends. */
const fewLevels = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/** Where the cumulative share of a histogram reaches each level, in bins; in between, linear. */
const quantilesOf = (shares: Float64Array, levels: readonly number[]): number[] => {
  let [bin, below] = [0, 0];
  return levels.map((level) => {
    while (bin < shares.length - 1 && below + shares[bin] < level) below += shares[bin++];
    return bin + (shares[bin] > 0 ? Math.min(1, Math.max(0, (level - below) / shares[bin])) : 0);
  });
};

const quantiles = (
  counts: ArrayLike<number>,
  groups: number,
  levels: readonly number[],
  as: (bin: number) => number,
): Float64Array => {
  const shares = l1(counts, groups);
  const bins = shares.length / groups;
  return Float64Array.from(
    Array.from({ length: groups }, (_, g) =>
      quantilesOf(shares.subarray(g * bins, (g + 1) * bins), levels).map(as),
    ).flat(),
  );
};

/** Steep where reflectance is low, as haze works there. */
const logOfBin = (bin: number): number => Math.log(bin + 4);

const pairs = (bands: number): number => (bands * (bands - 1)) / 2;

interface Feature {
  of: (tile: Tile, bands: number) => Float64Array;
  /** It is of pairs of bands, which one band alone does not have. */
  joint?: true;
  /** Numbers of unlike size: each divided by its spread over the training patches, and cut off at five of it. */
  standardised?: true;
}

/** Features by name. */
export const features: Record<FeatureName, Feature> = {
  /** √ of the shares of each band's histogram. */
  share: { of: ({ histogram }, bands) => roots(histogram, bands) },
  /** log(4 + bin) of 40 quantiles of each band's histogram. */
  quantile: { of: ({ histogram }, bands) => quantiles(histogram, bands, evenLevels, logOfBin) },
  /** The same of nine quantiles, standardised. */
  level: {
    of: ({ histogram }, bands) => quantiles(histogram, bands, fewLevels, logOfBin),
    standardised: true,
  },
  /** √ of the shares of the joint histogram of each pair of bands. */
  joint: { of: ({ joint }, bands) => roots(joint!.jointHistogram, pairs(bands)), joint: true },
  /** Nine quantiles of the normalised difference of each pair of bands, standardised. */
  ratio: {
    of: ({ joint }, bands) =>
      quantiles(joint!.differenceHistogram, pairs(bands), fewLevels, (bin) => bin / differenceBins),
    joint: true,
    standardised: true,
  },
};
