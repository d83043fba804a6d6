import { digitsOf, type Metric } from '../metrics/metric.js';
import { sampleSd } from '../sample-sd.js';
import { bracedTags } from './ablation-table.js';
import type { SeededModel } from './row-statistics.js';
import type { Cell, Table } from './table.js';
import { poolTiles } from './tile-record.js';

/**
 * One metric with the bands as columns, pooled over tiles; mean ± sample standard deviation where a row has several seeds,
 * and then the row's runs.
 */
export const metricTable = (
  models: readonly Pick<SeededModel, 'label' | 'seeds' | 'runs'>[],
  bands: readonly string[],
  metric: Metric,
  caption: string,
): Table => {
  const isSeeded = models.some(({ runs }) => runs.length > 1);
  const digits = (band: string): number => digitsOf(metric, band, 'line');
  const cell = (values: readonly number[], band: string): Cell => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const sd = sampleSd(values);
    return sd === null ? mean : { value: mean, spread: `± ${sd.toFixed(digits(band))}` };
  };
  const pixels = models[0].seeds[0].reduce((sum, tile) => sum + tile.bands[0].n, 0);
  return {
    caption,
    columns: [
      { label: 'model' },
      ...(isSeeded ? [{ label: 'seeds' }] : []),
      ...bands.map((band) => ({ label: `${metric.label} ${band}`, digits: digits(band) })),
      ...(isSeeded ? [{ label: 'runs' }] : []),
    ],
    rows: models.map(({ label, seeds, runs }) => {
      const pooled = seeds.map((tiles) => poolTiles(tiles, undefined, bands).bands);
      return {
        cells: [
          label,
          ...(isSeeded ? [String(seeds.length)] : []),
          ...bands.map((name, band) =>
            cell(
              pooled.map((seed) => seed[band][metric.name]),
              name,
            ),
          ),
          ...(isSeeded ? [bracedTags(runs)] : []),
        ],
      };
    }),
    notes: [
      `${metric.unit === 'data' ? 'Stored units (reflectance × 10 000); ' : ''}pooled over ${pixels} valid pixels of ${models[0].seeds[0].length} tiles.${isSeeded ? ' Mean ± standard deviation over seeds.' : ''}`,
    ],
  };
};
