import { rmse } from '../metrics/rmse.js';
import { markedLabel, unitNote } from './comparison-table.js';
import type { SeededModel } from './row-statistics.js';
import type { Column, Table } from './table.js';
import { meanRmse, poolTiles, type TileRecord } from './tile-record.js';

/**
 * The mean RMSE over bands of every row in groups of test tiles, such as regions or months: a column for each group, pooled
 * over its pixels and averaged over seeds.
 *
 * @param groupOf the group of a tile; columns stand in the order of their names
 */
export const groupTable = (
  models: readonly SeededModel[],
  caption: string,
  groupOf: (record: TileRecord) => string,
): Table => {
  const groups = [...new Set(models[0].seeds[0].map(groupOf))].sort();
  const tilesOf = (group: string): number =>
    models[0].seeds[0].filter((record) => groupOf(record) === group).length;
  const error = (seeds: SeededModel['seeds'], group: string): number =>
    seeds.reduce(
      (sum, records) => sum + meanRmse(poolTiles(records.filter((record) => groupOf(record) === group))),
      0,
    ) / seeds.length;
  return {
    caption,
    columns: [{ label: 'model' }, ...groups.map((label): Column => ({ label, digits: 1, best: 'low' }))],
    rows: models.map(({ label, bound, converged, seeds }) => ({
      competes: !bound && converged !== false,
      cells: [markedLabel(label, converged), ...groups.map((group) => error(seeds, group))],
    })),
    notes: [
      `${unitNote([rmse])}; mean over bands. Tiles: ${groups.map((group) => `${group} ${tilesOf(group)}`).join(', ')}.`,
    ],
  };
};
