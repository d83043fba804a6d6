import type { Figure, Trace } from './figure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { inReflectance, seriesColour, themed } from './theme.js';

/** How far the tiles are from a bound under one method: [band][tile], stored units. */
export interface DistanceSeries {
  name: string;
  distances: readonly (readonly number[])[];
  colour?: string;
  dash?: 'solid' | 'dash' | 'dot';
}

const shares = Array.from({ length: 101 }, (_, percent) => percent);

/** Every hundredth of sorted values; NaN is left out. */
const percentiles = (values: readonly number[]): number[] => {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  return shares.map(
    (percent) => Math.round(100 * (sorted[Math.round((percent / 100) * (sorted.length - 1))] ?? 0)) / 100,
  );
};

/**
 * Empirical distribution over tiles of how much a method's RMSE exceeds a bound, one panel per band: the farther left a
 * curve, the better the method. The horizontal axis ends at the 98 % quantile of all values.
 */
export const distanceEcdf = (
  series: readonly DistanceSeries[],
  bands: readonly string[],
  title = 'Distance of the tiles to the oracle',
): Figure => {
  const grid: PanelGrid = { rows: 1, columns: bands.length, gap: [0.05, 0] };
  const upTo = bands.map((_, band) => percentiles(series.flatMap(({ distances }) => distances[band]))[98]);
  return {
    data: bands.flatMap((_, band) =>
      series.map(
        ({ name, distances, colour, dash }, index): Trace => ({
          type: 'scatter',
          mode: 'lines',
          name,
          legendgroup: name,
          showlegend: band === 0,
          x: percentiles(distances[band]),
          y: shares,
          ...panelAxes(band),
          line: { width: 2, color: colour ?? seriesColour(index), dash: dash ?? 'solid' },
          hovertemplate: '%{y} % of tiles within %{x:.1f}<extra>%{fullData.name}</extra>',
        }),
      ),
    ),
    layout: themed({
      title,
      width: 920,
      height: 380,
      ...gridAxes(grid, (_, column) => ({
        x: {
          range: [0, Math.max(1, upTo[column])],
          nticks: 4,
          title: { text: inReflectance('Δ RMSE'), font: { size: 12 } },
        },
        y: {
          range: [0, 101],
          ...(column === 0 ? { title: { text: 'tiles [%]' } } : { showticklabels: false }),
        },
      })),
      annotations: bands.map((band, panel) => panelHeading(panel, band)),
      ...legendAbove(380),
    }),
  };
};
