import { bracedTags } from './braced-tags.js';
import type { ScoreName } from './pooled-draws.js';
import { type SeededModel, sampleSd } from './row-statistics.js';
import type { Cell, Table } from './table.js';
import { poolTiles } from './tile-record.js';

const names: Record<ScoreName, string> = { rmse: 'RMSE', r2: 'R²', mae: 'MAE', bias: 'bias' };

/**
 * One metric with the bands as columns, pooled over tiles; mean ± sample standard deviation for a row of several seeds,
 * which then names its runs.
 */
export const metricTable = (
  models: readonly Pick<SeededModel, 'label' | 'seeds' | 'runs'>[],
  bands: readonly string[],
  metric: ScoreName,
  caption: string,
): Table => {
  const digits = metric === 'r2' ? 4 : 2;
  const isSeeded = models.some(({ runs }) => runs.length > 1);
  const cell = (values: readonly number[]): Cell => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const sd = sampleSd(values);
    return sd === null ? mean : { value: mean, spread: `± ${sd.toFixed(digits)}` };
  };
  const pixels = models[0].seeds[0].reduce((sum, tile) => sum + tile.bands[0].n, 0);
  return {
    caption,
    columns: [
      { label: 'model' },
      ...(isSeeded ? [{ label: 'seeds' }] : []),
      ...bands.map((band) => ({ label: `${names[metric]} ${band}`, digits })),
      ...(isSeeded ? [{ label: 'runs' }] : []),
    ],
    rows: models.map(({ label, seeds, runs }) => {
      const pooled = seeds.map((tiles) => poolTiles(tiles).bands);
      return {
        cells: [
          label,
          ...(isSeeded ? [String(seeds.length)] : []),
          ...bands.map((_, band) => cell(pooled.map((seed) => seed[band][metric]))),
          ...(isSeeded ? [bracedTags(runs)] : []),
        ],
      };
    }),
    notes: [
      `${metric === 'r2' ? '' : 'Stored units (reflectance × 10 000); '}pooled over ${pixels} valid pixels of ${models[0].seeds[0].length} tiles.${isSeeded ? ' Mean ± standard deviation over seeds.' : ''}`,
    ],
  };
};
