import type { Figure } from '../figure.js';
import { seriesColour, themed } from '../theme.js';

/** One measure for each set of sensors, with its interval. */
export interface GainPanel {
  label: string;
  unit: string;
  bars: readonly { name: string; value: number; low: number; high: number; colour?: string }[];
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** What each sensor sees alone and all together: a panel for each measure, whiskers are 95 % intervals over tiles. */
export const gainBars = (panels: readonly GainPanel[], title = 'One sensor and several'): Figure => {
  const gap = 0.09;
  const width = (1 - gap * (panels.length - 1)) / panels.length;
  return {
    data: panels.map(({ bars }, index) => ({
      type: 'bar',
      showlegend: false,
      x: bars.map(({ name }) => name.replaceAll(' + ', '<br>+ ')),
      y: bars.map(({ value }) => orNull(value)),
      marker: { color: bars.map(({ colour }, at) => colour ?? seriesColour(at)) },
      error_y: {
        type: 'data',
        symmetric: false,
        array: bars.map(({ value, high }) => orNull(high - value)),
        arrayminus: bars.map(({ value, low }) => orNull(value - low)),
        color: '#222222',
        thickness: 1.2,
        width: 4,
      },
      xaxis: index === 0 ? 'x' : `x${index + 1}`,
      yaxis: index === 0 ? 'y' : `y${index + 1}`,
      hovertemplate: '%{x}: %{y:.2f}<extra></extra>',
    })),
    layout: themed({
      title,
      height: 420,
      margin: { b: 90 },
      ...Object.fromEntries(
        panels.flatMap(({ label, unit }, index) => {
          const suffix = index === 0 ? '' : String(index + 1);
          const from = index * (width + gap);
          return [
            [
              `xaxis${suffix}`,
              {
                domain: [from, Math.min(1, from + width)],
                anchor: `y${suffix}`,
                type: 'category',
                tickangle: 0,
                tickfont: { size: 11 },
              },
            ],
            [
              `yaxis${suffix}`,
              { anchor: `x${suffix}`, rangemode: 'tozero', title: { text: `${label} [${unit}]` } },
            ],
          ];
        }),
      ),
    }),
  };
};
