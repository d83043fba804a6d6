import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { themed } from './theme.js';

/** One measure by region and month. */
export interface MonthMeasure {
  /** With its unit, such as `RMSE [reflectance × 10⁴]`. */
  label: string;
  /** [regions][12]; null where there is nothing. */
  values: readonly (readonly (number | null)[])[];
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Light for little, dark for much; numbers can be read on all of it but the darkest. */
const scale = [
  [0, '#f7fbff'],
  [0.5, '#9ecae1'],
  [1, '#2e7ebc'],
] as const;

const written = (value: number | null): string =>
  value === null ? '' : String(Number(value.toPrecision(3)));

/**
 * Heat maps of measures by region and month, for example the error and the longest gap, with the numbers written in the
 * cells. Cells without data are white.
 *
 * @param commonScale share the colour scale between measures; for measures of the same quantity
 */
export const monthByRegion = (
  regions: readonly string[],
  measures: readonly MonthMeasure[],
  { title = 'By month and region', commonScale = false }: { title?: string; commonScale?: boolean } = {},
): Figure => {
  const all = measures.flatMap(({ values }) => values.flat()).filter((value) => value !== null);
  const limits = commonScale ? { zmin: Math.min(...all), zmax: Math.max(...all) } : {};
  const [panelHeight, between] = [30 * regions.length, 76];
  const plot = measures.length * panelHeight + (measures.length - 1) * between;
  const grid: PanelGrid = { rows: measures.length, columns: 1, gap: [0, between / plot] };
  return {
    data: measures.map(
      ({ label, values }, panel): Trace => ({
        type: 'heatmap',
        name: label,
        x: months,
        y: regions,
        z: values,
        text: values.map((row) => row.map(written)),
        texttemplate: '%{text}',
        textfont: { size: 11, color: '#222222' },
        colorscale: scale,
        ...limits,
        showscale: false,
        xgap: 2,
        ygap: 2,
        hoverongaps: false,
        hovertemplate: '%{y}, %{x}: %{text}<extra></extra>',
        ...panelAxes(panel),
      }),
    ),
    layout: themed({
      title,
      width: 860,
      height: plot + 140,
      margin: { t: 80 },
      ...gridAxes(grid, (row) => ({
        x: {
          type: 'category',
          showgrid: false,
          ticks: '',
          ...(row === measures.length - 1 ? { title: { text: 'month' } } : {}),
        },
        y: { type: 'category', showgrid: false, ticks: '', autorange: 'reversed' },
      })),
      annotations: measures.map(({ label }, panel) => panelHeading(panel, label)),
    }),
  };
};
