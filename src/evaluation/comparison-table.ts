import { percentileInterval, tileDraws } from './bootstrap.js';
import { scoreDraws, tileSums } from './pooled-draws.js';
import type { Cell, Column, Row, Table } from './table.js';
import { poolTiles, type Score, type TileRecord } from './tile-record.js';

/** One model of a comparison. */
export interface ComparedModel {
  label: string;
  /** Bounds do not compete for the best value. */
  isBound?: boolean;
  parameters: number | null;
  tiles: readonly TileRecord[];
}

/** Share of the way from a reference error to the bound that an error has gone: 1 at the bound, 0 at the reference. */
export const gapClosed = (error: number, reference: number, bound: number): number =>
  (reference - error) / (reference - bound);

const half = (low: number, high: number, digits: number): string => `±${((high - low) / 2).toFixed(digits)}`;

const scoreColumns = (bands: readonly string[], hasIndex: boolean): Column[] => [
  ...bands.map((band): Column => ({ label: `RMSE ${band}`, digits: 1, best: 'low' })),
  ...bands.map((band): Column => ({ label: `R² ${band}`, digits: 4, best: 'high' })),
  ...(hasIndex
    ? ([
        { label: 'RMSE NDVI', digits: 4, best: 'low' },
        { label: 'R² NDVI', digits: 4, best: 'high' },
      ] as Column[])
    : []),
];

const values = (score: Score): number[] => [
  ...score.bands.map(({ rmse }) => rmse),
  ...score.bands.map(({ r2 }) => r2),
  ...(score.ndvi ? [score.ndvi.rmse, score.ndvi.r2] : []),
];

const meanRmse = (score: Score): number =>
  score.bands.reduce((sum, { rmse }) => sum + rmse, 0) / score.bands.length;

/**
 * The comparison of models on the same tiles: RMSE and R² per band and for NDVI, pooled over all valid pixels, RMSE with
 * half the width of its 95 % bootstrap interval over tiles; and, where a bound and a reference are among them, the share
 * of the gap between the two that a model closes (of the mean RMSE over bands).
 *
 * @param reference label of the model that the gap is counted from (default `global-lut`)
 */
export const comparisonTable = (
  caption: string,
  models: readonly ComparedModel[],
  bands: readonly string[],
  { reference = 'global-lut', draws = 1000 }: { reference?: string; draws?: number } = {},
): Table => {
  const count = models[0]?.tiles.length ?? 0;
  const samples = draws > 0 ? tileDraws(count, draws) : [];
  const scores = models.map(({ tiles }) => poolTiles(tiles));
  const hasIndex = scores.every(({ ndvi }) => ndvi !== null);
  const bound = scores[models.findIndex(({ isBound }) => isBound)];
  const from = scores[models.findIndex(({ label }) => label === reference)];
  const rows = models.map(({ label, isBound, parameters, tiles }, m): Row => {
    const draw = scoreDraws(tileSums(tiles), samples, 'rmse');
    const cells = values(scores[m]).map((value, c): Cell => {
      if (c >= bands.length || draw.length === 0) return value;
      const { low, high } = percentileInterval(draw.map((rmse) => rmse[c]));
      return { value, spread: half(low, high, 1) };
    });
    const gap = bound && from ? 100 * gapClosed(meanRmse(scores[m]), meanRmse(from), meanRmse(bound)) : null;
    return {
      cells: [
        label,
        parameters === null ? null : String(parameters),
        ...cells,
        ...(bound && from ? [gap] : []),
      ],
      competes: !isBound,
    };
  });
  const columns: Column[] = [
    { label: 'model' },
    { label: 'parameters' },
    ...scoreColumns(bands, hasIndex),
    ...(bound && from ? [{ label: 'gap closed', unit: '%', digits: 0, best: 'high' } as Column] : []),
  ];
  return {
    caption,
    columns,
    rows,
    notes: [
      `RMSE in stored units (reflectance × 10 000), NDVI without unit; pooled over ${scores[0]?.n ?? 0} valid pixels of ${count} tiles.`,
      ...(draws > 0 ? [`± half the width of the 95 % bootstrap interval over tiles (${draws} draws).`] : []),
      ...(bound && from
        ? [
            `Gap closed: 0 % is ${reference}, 100 % the oracle, the best LUT of each tile fitted on its own target (a bound, no method).`,
          ]
        : []),
    ],
  };
};
