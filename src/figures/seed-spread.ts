import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { okabeIto, themed } from './theme.js';

/** A variant that was trained with several seeds. */
export interface SeedRow {
  label: string;
  /** [measures][seeds]; NaN is left out. */
  values: readonly (readonly number[])[];
  colour?: string;
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
};

/**
 * Spread over random seeds: a circle for every run and a bar for the median of each variant, one panel per measure.
 *
 * @param measures heading of each panel and the title of its axis
 */
export const seedSpread = (
  rows: readonly SeedRow[],
  measures: readonly { label: string; axis: string }[],
  title = 'Runs of all seeds',
): Figure => {
  const grid: PanelGrid = { rows: 1, columns: measures.length, gap: [0.04, 0] };
  const labels = rows.map(({ label }) => label);
  return {
    data: measures.flatMap(({ label: measure }, panel): Trace[] => {
      const seen = rows.flatMap(({ label, values, colour = okabeIto.blue }) => {
        const finite = values[panel].filter(Number.isFinite);
        return finite.length > 0 ? [{ label, finite, colour }] : [];
      });
      const runs = seen.flatMap(({ label, finite, colour }) =>
        finite.map((value) => ({ label, value, colour })),
      );
      return [
        {
          type: 'scatter',
          mode: 'markers',
          name: `${measure}, runs`,
          x: runs.map(({ value }) => value),
          y: runs.map(({ label }) => label),
          marker: {
            size: 9,
            symbol: 'circle-open',
            color: runs.map(({ colour }) => colour),
            line: { width: 1.5 },
          },
          hovertemplate: '%{y}: %{x:.4~g}<extra></extra>',
          ...panelAxes(panel),
        },
        {
          type: 'scatter',
          mode: 'markers',
          name: `${measure}, median`,
          x: seen.map(({ finite }) => median(finite)),
          y: seen.map(({ label }) => label),
          marker: {
            size: 16,
            symbol: 'line-ns',
            line: { width: 2.5, color: seen.map(({ colour }) => colour) },
          },
          hovertemplate: '%{y}: median %{x:.4~g}<extra></extra>',
          ...panelAxes(panel),
        },
      ];
    }),
    layout: themed({
      title,
      width: 860,
      height: 30 * rows.length + 150,
      showlegend: false,
      ...gridAxes(grid, (_, column) => ({
        x: { title: { text: measures[column].axis }, nticks: measures.length > 3 ? 4 : 5, tickangle: 0 },
        y: {
          type: 'category',
          categoryorder: 'array',
          categoryarray: labels.toReversed(),
          range: [-0.6, labels.length - 0.4],
          ...(column === 0 ? {} : { showticklabels: false }),
        },
      })),
      annotations: measures.map(({ label }, panel) => panelHeading(panel, label)),
    }),
  };
};
