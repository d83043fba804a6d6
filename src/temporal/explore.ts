import { Fault } from '../fault.js';
import { escapeHtml } from '../figures/page.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { explorerCode, explorerHtml, explorerMime } from '../figures/temporal/explorer.js';
import type { ExplorerData } from '../figures/temporal/explorer-counts.js';
import type { Catalog } from './acquisition.js';
import { type Analysis, type AnalysisOptions, analyse } from './analyse.js';
import { analysisFigures, colourOf } from './analysis-figures.js';
import { dayOf, type Period, parseTime } from './days.js';
import { within } from './merge.js';
import { sensorLabel } from './sensors.js';

/** A period from two dates, `2024-07-09`, both counted. @throws Fault for a text that is no date, or an end before */
export const periodOf = (from: string, to: string): Period => {
  const [first, last] = [from, to].map((text) => {
    const time = parseTime(text);
    if (time === null) throw new Fault(`period: ${text}; a date as 2024-07-09`);
    return dayOf(time);
  });
  if (first > last) throw new Fault(`period: ${from} to ${to}; the end lies before the beginning`);
  return { from: first, to: last };
};

/** Observations that an explorer holds at most: 0.4 MB, so that a report stays under 2 MB with its plotly. */
const mostObservations = 45_000;

const steps = (days: Int32Array): number[] =>
  Array.from(days, (day, index) => (index === 0 ? day : day - days[index - 1]));

/** An analysis as the explorer shows it. Tiles that have no room are left out, and the notes say how many. */
export const explorerData = (
  { series, sensors, period, threshold, outlines, simulated }: Analysis,
  periods: Readonly<Record<string, Period>> = {},
): ExplorerData => {
  const tiles: ExplorerData['tiles'][number][] = [];
  let held = 0;
  for (const [name, bySensor] of series) {
    const seen = sensors.map((sensor) => within(bySensor.get(sensor)!, period));
    held += seen.reduce((sum, { days }) => sum + days.length, 0);
    if (held > mostObservations && tiles.length > 0) break;
    tiles.push({
      name,
      outline:
        outlines.get(name)?.map(([lon, lat]) => [Number(lon.toFixed(3)), Number(lat.toFixed(3))] as const) ??
        null,
      days: seen.map(({ days }) => steps(days)),
      // rounded down, so that no share reaches a threshold that it does not have
      clear: seen.map(({ clear }) =>
        Array.from(clear, (share) => (Number.isNaN(share) ? -1 : Math.floor(share * 1000 + 1e-6))),
      ),
    });
  }
  return {
    title: 'How often is a place seen?',
    simulated,
    from: period.from,
    to: period.to,
    threshold: Math.round(threshold * 100),
    sensors: sensors.map((sensor) => ({ name: sensorLabel(sensor), colour: colourOf(sensor, sensors) })),
    periods: Object.entries(periods).map(([name, { from, to }]) => ({ name, from, to })),
    tiles,
    notes:
      tiles.length < series.size
        ? [`The first ${tiles.length} of ${series.size} tiles; the tables have all.`]
        : [],
  };
};

export interface ExploreOptions extends Omit<AnalysisOptions, 'named' | 'bootstrap'> {
  /** Periods to choose from besides the whole, by name. */
  periods?: Readonly<Record<string, Period>>;
}

/** Something that a notebook shows: `toMimeBundle` gives its forms. */
export interface Exploration {
  data: ExplorerData;
  toMimeBundle: () => Promise<Record<string, string | object>>;
}

/**
 * Map, calendar and histogram of a catalog, linked: a tile is chosen on the map, gaps in the histogram are shown in the
 * calendar, and clear threshold, sensors, season and period are controls. `display` shows it in a notebook, live where
 * scripts run, a still picture elsewhere; an exported page keeps it live.
 * @throws Fault as {@link analyse} does
 */
export const exploreTemporal = (catalog: Catalog, options: ExploreOptions = {}): Exploration => {
  const analysis = analyse(catalog, options);
  const data = explorerData(analysis, options.periods);
  return {
    data,
    toMimeBundle: async () => {
      const title = `${data.title}${data.simulated ? ' (simulated acquisitions)' : ''}`;
      const { figure } = analysisFigures(analysis).find(({ name }) => name === 'gap-ecdf')!;
      const png = Buffer.from(await renderFigure(figure, { format: 'png', scale: 1.5 })).toString('base64');
      const still = `<img src="data:image/png;base64,${png}" alt="${escapeHtml(title)}" style="max-width:100%">`;
      return {
        [explorerMime]: data,
        'text/html': `${explorerHtml(data, still)}\n<script>${explorerCode()}</script>`,
        'image/png': png,
        'text/plain': title,
      };
    },
  };
};
