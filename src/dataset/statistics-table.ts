import { clearValueCounts, countValues, makeValueCounts, type ValueCounts } from './count-values.js';
import { addHistogram } from './histogram.js';
import { type JointColumns, type JointShape, jointColumns, jointWidths } from './joint-statistics.js';
import { type Patch, type PatchPixels, tileKey } from './patch.js';
import { type BandStatistics, foldCounts, type Moments, timesA } from './statistics.js';

/**
 * Statistics of P patches × C bands with K knots in contiguous arrays, so that a training batch is a copy of rows.
 * Row r of an array of width w is `array.subarray(r·C·w, (r + 1)·C·w)`, band by band.
 *
 * A and b are **centred** at the identity LUT I (see {@link identityKnots}): with δ = L − I,
 * `SSE(L) = δᵀAδ − 2·linearᵀδ + constant`, gradient `2(Aδ − linear)`. Uncentred, float32 would lose the error
 * among terms that are thousands of times larger.
 */
export interface StatisticsTable {
  bands: number;
  knots: number;
  bins: number;
  bandMax: readonly number[];
  /** Patch id of each row; P = ids.length. */
  ids: readonly string[];
  /** Tile key (`tile_date`) of each row. */
  tiles: readonly string[];
  /** A's diagonal, [P·C·K]. */
  diagonal: Float32Array;
  /** A's off-diagonal, [P·C·K]: entry k couples knots k and k+1, the last is 0. */
  offDiagonal: Float32Array;
  /** b − A·I, [P·C·K]. */
  linear: Float32Array;
  /** SSE of the identity LUT, [P·C]. */
  constant: Float64Array;
  /** Valid pixels, [P·C]. */
  count: Float64Array;
  /** n, Σx, Σy, Σx², Σxy, Σy² of the unclipped values, [P·C·6]. */
  moments: Float64Array;
  /** Counts of source values in `bins` equal bins over [0, bandMax], [P·C·bins]. */
  sourceHistogram: Uint32Array;
  /** The same of target values, over the same bins. */
  targetHistogram: Uint32Array;
  /** Statistics of all bands together, where they were asked for. */
  joint?: JointShape;
  sourceMoments?: Float64Array;
  crossMoments?: Float64Array;
  jointHistogram?: Uint32Array;
  differenceHistogram?: Uint32Array;
}

/** Knots of the LUT that changes nothing: k·(bandMax − 1)/(knots − 1), [knots]. */
export const identityKnots = (bandMax: number, knots: number): Float64Array =>
  Float64Array.from({ length: knots }, (_, k) => (k * (bandMax - 1)) / (knots - 1));

/** Sums of rows: uncentred statistics and histograms of each band. */
export interface SummedRows {
  bands: BandStatistics[];
  /** [bins] for each band. */
  sourceHistogram: Float64Array[];
  targetHistogram: Float64Array[];
  /** Sums of the joint statistics, where the table has them. */
  joint?: JointSums;
}

/** Joint statistics of some pixels: the columns of {@link JointColumns}, summed. */
export interface JointSums extends JointShape {
  bandMax: readonly number[];
  sourceMoments: Float64Array;
  crossMoments: Float64Array;
  jointHistogram: Float64Array;
  differenceHistogram: Float64Array;
}

/** What the columns of a table depend on; `bandMax` has an entry for each band. */
export type TableShape = Pick<StatisticsTable, 'knots' | 'bins' | 'bandMax' | 'joint'>;

/** The numbers of a table; those of one patch are a table of one row. */
export type TableColumns = Pick<
  StatisticsTable,
  | 'diagonal'
  | 'offDiagonal'
  | 'linear'
  | 'constant'
  | 'count'
  | 'moments'
  | 'sourceHistogram'
  | 'targetHistogram'
> &
  Partial<JointColumns>;

/** Numbers of each patch in each column, in the order in which they are stored. */
export const columnWidths = ({
  knots,
  bins,
  bandMax: { length: bands },
  joint,
}: TableShape): Partial<Record<keyof TableColumns, number>> => ({
  constant: bands,
  count: bands,
  moments: 6 * bands,
  diagonal: knots * bands,
  offDiagonal: knots * bands,
  linear: knots * bands,
  sourceHistogram: bins * bands,
  targetHistogram: bins * bands,
  ...(joint && jointWidths(bands, joint)),
});

/** Empty columns for `rows` patches. */
export const makeColumns = (shape: TableShape, rows: number): TableColumns => {
  const width = columnWidths(shape);
  const floats = (name: keyof TableColumns) => new Float32Array(rows * width[name]!);
  const doubles = (name: keyof TableColumns) => new Float64Array(rows * width[name]!);
  const counts = (name: keyof TableColumns) => new Uint32Array(rows * width[name]!);
  return {
    diagonal: floats('diagonal'),
    offDiagonal: floats('offDiagonal'),
    linear: floats('linear'),
    constant: doubles('constant'),
    count: doubles('count'),
    moments: doubles('moments'),
    sourceHistogram: counts('sourceHistogram'),
    targetHistogram: counts('targetHistogram'),
    ...(shape.joint && {
      sourceMoments: doubles('sourceMoments'),
      crossMoments: doubles('crossMoments'),
      jointHistogram: counts('jointHistogram'),
      differenceHistogram: counts('differenceHistogram'),
    }),
  };
};

const writeBand = (columns: TableColumns, shape: TableShape, band: number, stats: BandStatistics): void => {
  const { knots, bandMax } = shape;
  const identity = identityKnots(bandMax[band], knots);
  const product = timesA(stats, identity);
  const at = band * knots;
  columns.diagonal.set(stats.diagonal, at);
  columns.offDiagonal.set(stats.offDiagonal, at);
  let sse = stats.constant;
  for (let k = 0; k < knots; k++) {
    columns.linear[at + k] = stats.linear[k] - product[k];
    sse += identity[k] * (product[k] - 2 * stats.linear[k]);
  }
  // rounding can leave an error of zero a little below it
  columns.constant[band] = Math.max(0, sse);
  columns.count[band] = stats.n;
  const { n, x, y, xx, xy, yy } = stats.moments;
  columns.moments.set([n, x, y, xx, xy, yy], band * 6);
};

/** Reused from band to band: a megabyte that is cleared sooner than allocated. */
let scratch: ValueCounts | undefined;

/** Columns of one patch (a table of one row), from its pixels. */
export const patchColumns = (pixels: PatchPixels, shape: TableShape): TableColumns => {
  const columns = makeColumns(shape, 1);
  const size = pixels.width * pixels.height;
  scratch ??= makeValueCounts();
  const counts = scratch;
  for (let band = 0; band < shape.bandMax.length; band++) {
    clearValueCounts(counts);
    const of = (values: Int16Array): Int16Array => values.subarray(band * size, (band + 1) * size);
    countValues(of(pixels.source), of(pixels.target), pixels.mask, counts);
    writeBand(columns, shape, band, foldCounts(counts, shape.bandMax[band], shape.knots));
    const bins = (all: Uint32Array): Uint32Array => all.subarray(band * shape.bins, (band + 1) * shape.bins);
    addHistogram(counts.source, shape.bandMax[band], bins(columns.sourceHistogram));
    addHistogram(counts.target, shape.bandMax[band], bins(columns.targetHistogram));
  }
  return shape.joint ? { ...columns, ...jointColumns(pixels, shape.bandMax, shape.joint) } : columns;
};

/** Copies the columns of one patch into row `row`. */
export const setRow = (columns: TableColumns, shape: TableShape, row: number, patch: TableColumns): void => {
  const width = columnWidths(shape);
  for (const name of Object.keys(width) as (keyof TableColumns)[])
    columns[name]!.set(patch[name]!, row * width[name]!);
};

/** A table of some patches whose pixels are at hand, row by row. */
export const buildTable = (
  patches: readonly Pick<Patch, 'id' | 'tile' | 'date'>[],
  pixels: readonly PatchPixels[],
  shape: TableShape,
): StatisticsTable => {
  const columns = makeColumns(shape, patches.length);
  for (const [row, patch] of pixels.entries()) setRow(columns, shape, row, patchColumns(patch, shape));
  return {
    bands: shape.bandMax.length,
    knots: shape.knots,
    bins: shape.bins,
    bandMax: shape.bandMax,
    ...(shape.joint && { joint: shape.joint }),
    ids: patches.map(({ id }) => id),
    tiles: patches.map(tileKey),
    ...columns,
  };
};

const sumMoments = (table: StatisticsTable, cells: readonly number[]): Moments => {
  const sums = [0, 0, 0, 0, 0, 0];
  for (const cell of cells) for (let k = 0; k < 6; k++) sums[k] += table.moments[cell * 6 + k];
  const [n, x, y, xx, xy, yy] = sums;
  return { n, x, y, xx, xy, yy };
};

const sumCells = (
  column: Float32Array | Float64Array | Uint32Array,
  width: number,
  cells: readonly number[],
): Float64Array => {
  const sum = new Float64Array(width);
  for (const cell of cells) for (let k = 0; k < width; k++) sum[k] += column[cell * width + k];
  return sum;
};

/** Sums the joint statistics of rows; undefined where the table has none. */
export const sumJoint = (table: StatisticsTable, rows: readonly number[]): JointSums | undefined => {
  const { joint, bandMax } = table;
  if (!joint) return undefined;
  const widths = jointWidths(bandMax.length, joint);
  const sum = (name: keyof JointColumns) => sumCells(table[name]!, widths[name], rows);
  return {
    ...joint,
    bandMax,
    sourceMoments: sum('sourceMoments'),
    crossMoments: sum('crossMoments'),
    jointHistogram: sum('jointHistogram'),
    differenceHistogram: sum('differenceHistogram'),
  };
};

/**
 * Sums rows in float64, and undoes the centring: what a global LUT, a tile's oracle and histogram matching are fitted
 * on.
 */
export const sumRows = (table: StatisticsTable, rows: Iterable<number>): SummedRows => {
  const { bands, knots, bins, bandMax } = table;
  const list = [...rows];
  const sums: SummedRows = { bands: [], sourceHistogram: [], targetHistogram: [] };
  for (let band = 0; band < bands; band++) {
    const cells = list.map((row) => row * bands + band);
    const diagonal = sumCells(table.diagonal, knots, cells);
    const offDiagonal = sumCells(table.offDiagonal, knots, cells).subarray(0, knots - 1);
    const linear = sumCells(table.linear, knots, cells);
    const identity = identityKnots(bandMax[band], knots);
    const product = timesA({ diagonal, offDiagonal }, identity);
    let constant = cells.reduce((sum, cell) => sum + table.constant[cell], 0);
    for (let k = 0; k < knots; k++) {
      linear[k] += product[k];
      constant += identity[k] * (2 * linear[k] - product[k]);
    }
    const moments = sumMoments(table, cells);
    sums.bands.push({ n: moments.n, diagonal, offDiagonal, linear, constant, moments });
    sums.sourceHistogram.push(sumCells(table.sourceHistogram, bins, cells));
    sums.targetHistogram.push(sumCells(table.targetHistogram, bins, cells));
  }
  const joint = sumJoint(table, list);
  return joint ? { ...sums, joint } : sums;
};
