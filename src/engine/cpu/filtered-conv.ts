import { UnetOp } from '../abi.js';
import type { Op } from './program.js';
import { pad4, type Rows } from './rows.js';

/** Rows as minimal filtering reads them: address of the first of four planes, distances of rows and of planes, bytes. */
export interface FilteredRows {
  at: number;
  row: number;
  plane: number;
}

/** Multiplications saved below this many channels do not pay for the sums before and after them. */
const leastChannels = 32;

/**
 * Whether minimal filtering pays for a convolution of 3 from `input` to `output` channels, or back: it takes samples of some
 * length and whole panels of outputs.
 */
export const isFiltered = (length: number, input: number, output: number): boolean =>
  length >= 4 && input >= leastChannels && input % 4 === 0 && output % 8 === 0;

/** Memory for the filtered rows of all samples; products read whole tiles of four. */
export const takeFilteredRows = (
  floats: (count: number) => number,
  samples: number,
  length: number,
  channels: number,
): FilteredRows => {
  // a cache line more, lest the rows of a column share few sets of a cache
  const row = 4 * channels + 64;
  const plane = pad4(samples * Math.ceil(length / 2)) * row;
  return { at: floats(plane), row, plane };
};

/** `to` from rows with a zero row before and after each sample, `x` the first of these; a unit is `block` channels. */
export const filterRows = (of: {
  block: number;
  samples: number;
  length: number;
  channels: number;
  x: Rows;
  to: FilteredRows;
}): Op => ({
  code: UnetOp.filterRows,
  units: Math.ceil(of.channels / of.block),
  words: [
    ...[of.block, of.samples, of.length, pad4(of.channels), of.x.at, of.x.row, of.x.sample],
    ...[of.to.at, of.to.row, of.to.plane],
  ],
});

/** Panels of the weights [output, input, 3] at `weight`: 4·input·output floats. */
export const filterWeights = (weight: number, output: number, input: number, panels: number): Op => ({
  code: UnetOp.filterWeights,
  units: output / 8,
  words: [weight, input, panels],
});

/** Panels that carry a gradient back to `count` inputs from `first` on: 4·count·output floats. */
export const filterWeightsBack = (
  weight: number,
  output: number,
  input: number,
  first: number,
  count: number,
  panels: number,
): Op => ({
  code: UnetOp.filterWeightsBack,
  units: count / 8,
  words: [weight, output, input, first, panels],
});

/** The convolution of `x`, of `k` channels, with `panels`. */
export const filteredProduct = (of: {
  samples: number;
  length: number;
  k: number;
  n: number;
  x: FilteredRows;
  panels: number;
  /** 0: none. */
  bias: number;
  out: Rows;
}): Op => {
  const pairs = Math.ceil(of.length / 2);
  const stretch = Math.min(32, pad4(pairs));
  const stretches = Math.ceil((of.samples * pairs) / stretch);
  return {
    code: UnetOp.filteredProduct,
    units: stretches * (of.n / 8),
    words: [
      ...[stretch, stretches, of.samples, of.length, of.k, of.x.at, of.x.row, of.x.plane],
      ...[of.panels, of.bias, of.out.at, of.out.row, of.out.sample],
    ],
  };
};

/** Gradient of the weights, [output, input, 3] at `dweight`; `dy` has a zero row behind each sample. */
export const filteredCross = (of: {
  samples: number;
  length: number;
  input: number;
  output: number;
  x: FilteredRows;
  dy: Rows;
  dweight: number;
}): Op => ({
  code: UnetOp.filteredCross,
  units: of.output / 8,
  words: [
    ...[of.samples, of.length, of.input, of.x.at, of.x.row, of.x.plane],
    ...[of.dy.at, of.dy.row, of.dy.sample, of.dweight],
  ],
});
