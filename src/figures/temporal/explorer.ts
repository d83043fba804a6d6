import type { Figure, FigureValue, Trace } from '../figure.js';
import { legendAbove, menuAbove } from '../panels.js';
import { seriesColour, themed } from '../theme.js';
import { ecdfSteps } from './gap-ecdf.js';

/** What the explorer can show of one choice of tile, period and sensors, at every threshold. */
export interface ExplorerSeries {
  tile: string;
  period: string;
  sensors: string;
  colour?: string;
  /** For each threshold: the gaps between clear observations, days, and the number of clear observations. */
  byThreshold: readonly { gaps: readonly number[]; nClear: number }[];
}

/** The two parts of the explorer: the distribution of gaps, and how many observations are clear. */
const tracesOf = (series: readonly ExplorerSeries[], at: number): { ecdf: Trace; bar: Trace }[] =>
  series.map(({ sensors, colour, byThreshold }, index) => {
    const { days, share } = ecdfSteps(byThreshold[at].gaps);
    const own = colour ?? seriesColour(index);
    return {
      ecdf: {
        type: 'scatter',
        mode: 'lines',
        name: sensors,
        legendgroup: sensors,
        x: [0, ...days],
        y: [0, ...share],
        line: { shape: 'hv', color: own, width: 2 },
        hovertemplate: '%{y:.0f} % of gaps up to %{x} days<extra>%{fullData.name}</extra>',
      },
      bar: {
        type: 'bar',
        name: sensors,
        legendgroup: sensors,
        showlegend: false,
        x: [sensors.replaceAll(' + ', '<br>+ ')],
        y: [byThreshold[at].nClear],
        marker: { color: own },
        xaxis: 'x2',
        yaxis: 'y2',
        hovertemplate: '%{y} clear observations<extra>%{fullData.name}</extra>',
      },
    };
  });

const height = 560;

const distinct = (values: readonly string[]): string[] => [...new Set(values)];

/**
 * Gaps between clear observations, interactive without a server: menus pick tile and period, a slider sets the clear
 * threshold, the legend toggles sensors. Each control changes other attributes of the traces (`visible`; `opacity` with
 * `hoverinfo`; the data), so that they do not undo each other.
 *
 * @param thresholds clear shares, %, in the order of `byThreshold`
 */
export const temporalExplorer = (
  series: readonly ExplorerSeries[],
  thresholds: readonly number[],
  chosen = Math.floor(thresholds.length / 2),
  title = 'Gaps between clear observations',
): Figure => {
  const tiles = distinct(series.map(({ tile }) => tile));
  const periods = distinct(series.map(({ period }) => period));
  const flat = (at: number): Trace[] => tracesOf(series, at).flatMap(({ ecdf, bar }) => [ecdf, bar]);
  const each = <T>(of: (one: ExplorerSeries, part: 'ecdf' | 'bar') => T): T[] =>
    series.flatMap((one) => [of(one, 'ecdf'), of(one, 'bar')]);
  const visible = (tile: string): boolean[] => each((one) => one.tile === tile);
  const period = (name: string): Record<string, FigureValue> => ({
    opacity: each((one) => (one.period === name ? 1 : 0)),
    hoverinfo: each((one) => (one.period === name ? 'all' : 'skip')),
    showlegend: each((one, part) => part === 'ecdf' && one.period === name),
    width: each((one, part) => (part === 'ecdf' ? null : one.period === name ? 0.6 : 0)),
  });
  const first = period(periods[0]);
  const dropdown = (
    x: number,
    names: readonly string[],
    args: (name: string) => FigureValue,
  ): FigureValue => ({
    type: 'dropdown',
    x,
    xanchor: 'left',
    ...menuAbove,
    buttons: names.map((name) => ({ label: name, method: 'restyle', args: [args(name)] })),
  });
  const at = (list: FigureValue, index: number): FigureValue => (list as readonly FigureValue[])[index];
  return {
    data: flat(chosen).map((trace, index) => ({
      ...trace,
      visible: visible(tiles[0])[index],
      opacity: at(first['opacity'], index),
      hoverinfo: at(first['hoverinfo'], index),
      showlegend: at(first['showlegend'], index),
      ...(trace.type === 'bar' ? { width: at(first['width'], index) } : {}),
    })),
    layout: themed({
      title,
      height,
      barmode: 'overlay',
      xaxis: { domain: [0, 0.62], title: { text: 'gap [days]' }, rangemode: 'tozero' },
      yaxis: { title: { text: 'gaps no longer than this [%]' }, range: [0, 101] },
      xaxis2: { domain: [0.72, 1], anchor: 'y2', type: 'category', tickangle: 0, tickfont: { size: 11 } },
      yaxis2: { anchor: 'x2', title: { text: 'clear observations [days]' }, rangemode: 'tozero' },
      ...legendAbove(height),
      margin: { t: 100, b: 120 },
      updatemenus: [
        dropdown(0, tiles, (tile) => ({ visible: visible(tile) })),
        dropdown(0.2, periods, (name) => period(name)),
      ],
      sliders: [
        {
          active: chosen,
          currentvalue: { prefix: 'clear from ', suffix: ' %' },
          pad: { t: 60 },
          steps: thresholds.map((threshold, index) => {
            const traces = flat(index);
            return {
              label: String(threshold),
              method: 'restyle',
              args: [{ x: traces.map(({ x }) => x), y: traces.map(({ y }) => y) }],
            };
          }),
        },
      ],
    }),
  };
};
