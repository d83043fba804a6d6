import type { Figure } from '../figures/figure.js';
import { calendarStrip } from '../figures/temporal/calendar-strip.js';
import { gainBars } from '../figures/temporal/gain-bars.js';
import { gapEcdf } from '../figures/temporal/gap-ecdf.js';
import { type MonthSeries, monthBars } from '../figures/temporal/month-bars.js';
import { tileMap } from '../figures/temporal/tile-map.js';
import { okabeIto, seriesColour } from '../figures/theme.js';
import type { Analysis } from './analyse.js';
import { dayText, monthsOf } from './days.js';
import { gapsBetween } from './gaps.js';
import { type DaySeries, within } from './merge.js';
import { familyOf, sensorLabel } from './sensors.js';
import { countByMonth, sensorSets } from './statistics.js';

const familyColours: Record<string, string> = {
  s2: okabeIto.blue,
  gf1: okabeIto.vermillion,
  landsat: okabeIto.green,
  gf6: okabeIto.orange,
};

/** The colour of a sensor in every figure; all sensors together are purple. */
export const colourOf = (set: string, sensors: readonly string[]): string => {
  if (set === sensors.join('+') && sensors.length > 1) return okabeIto.purple;
  const used = new Set<string>();
  for (const [index, sensor] of sensors.entries()) {
    const own = familyColours[familyOf(sensor)] ?? seriesColour(index + 4);
    const colour = used.has(own) ? seriesColour(index + 4) : own;
    used.add(colour);
    if (sensor === set) return colour;
  }
  return '#888888';
};

/** The calendar holds this many observations at most: its file stays small, and a menu of hundreds of tiles is no use. */
const calendarObservations = 6000;

/** The first tiles whose observations the calendar can hold; one at least. */
const calendarTiles = ({ series, period }: Analysis): [string, Map<string, DaySeries>][] => {
  let held = 0;
  return [...series].filter(([, bySensor], index) => {
    for (const days of bySensor.values()) held += within(days, period).days.length;
    return index === 0 || held <= calendarObservations;
  });
};

/** Figures get copied out of their page, so the title says that data are simulated. */
const titled = (text: string, { simulated }: Analysis): string =>
  simulated ? `${text} (simulated acquisitions)` : text;

const months = (analysis: Analysis): Figure => {
  const { period, sensors, statistics } = analysis;
  const inPeriod = monthsOf(period);
  const names = inPeriod.map(({ month }) => month);
  const seers = [...sensors, 'several'];
  const only = new Map(seers.map((name) => [name, names.map(() => 0)]));
  // by day of the period: 0 for nobody, else which of `seers`, counted from 1
  const seen = new Uint16Array(period.to - period.from + 1);
  for (const bySet of statistics.values()) {
    seen.fill(0);
    for (const [index, sensor] of sensors.entries())
      for (const day of bySet.get(sensor)!.clearDays)
        seen[day - period.from] = seen[day - period.from] === 0 ? index + 1 : seers.length;
    const days = seers.map((): number[] => []);
    for (const [day, who] of seen.entries()) if (who > 0) days[who - 1].push(period.from + day);
    for (const [who, name] of seers.entries()) {
      const counted = only.get(name)!;
      const perMonth = countByMonth(days[who], period, inPeriod);
      names.forEach((month, index) => {
        counted[index] += perMonth[month] / statistics.size;
      });
    }
  }
  const series: MonthSeries[] = [...only]
    .filter(([name]) => sensors.length > 1 || name !== 'several')
    .map(([name, counted]) => ({
      name:
        name === 'several' ? 'both on one day' : `${sensorLabel(name)}${sensors.length > 1 ? ' only' : ''}`,
      counts: counted,
      colour: name === 'several' ? '#999999' : colourOf(name, sensors),
    }));
  if (sensors.length > 2) series[series.length - 1].name = 'several on one day';
  return monthBars(names, series, titled('Clear observations per month', analysis));
};

const ecdf = (analysis: Analysis): Figure => {
  const { sensors, statistics } = analysis;
  return gapEcdf(
    sensorSets(sensors)
      .map((set) => set.join('+'))
      .map((set) => ({
        name: sensorLabel(set),
        gaps: [...statistics.values()].flatMap((bySet) => [...gapsBetween(bySet.get(set)!.clearDays)]),
        colour:
          sensors.length > 2 && set.includes('+') && set !== sensors.join('+')
            ? undefined
            : colourOf(set, sensors),
      })),
    titled('Gaps between clear observations', analysis),
  );
};

const calendar = (analysis: Analysis): Figure => {
  const { sensors, period, threshold } = analysis;
  return calendarStrip(
    calendarTiles(analysis).map(([tile, bySensor]) => ({
      tile,
      rows: sensors.map((sensor) => {
        const { days, clear } = within(bySensor.get(sensor)!, period);
        return {
          name: sensorLabel(sensor),
          dates: Array.from(days, dayText),
          clear: Array.from(clear, (share) => (Number.isNaN(share) ? null : share * 100)),
          colour: colourOf(sensor, sensors),
        };
      }),
    })),
    { from: dayText(period.from), to: dayText(period.to) },
    threshold * 100,
    titled('Observations', analysis),
  );
};

const map = (analysis: Analysis): Figure | null => {
  const { sensors, statistics, outlines } = analysis;
  const tiles = [...outlines].map(([tile, outline]) => ({ tile, outline }));
  if (tiles.length === 0) return null;
  const sets = [sensors.join('+'), ...(sensors.length > 1 ? sensors : [])];
  return tileMap(
    tiles,
    sets.flatMap((set) => {
      const of = tiles.map(({ tile }) => statistics.get(tile)!.get(set)!);
      const label = sensorLabel(set);
      return [
        { label: `clear observations, ${label}`, unit: 'days', values: of.map(({ nClear }) => nClear) },
        {
          label: `longest gap, ${label}`,
          unit: 'days',
          values: of.map(({ gapsWithEdges }) => gapsWithEdges.max),
        },
      ];
    }),
    titled('Tiles', analysis),
  );
};

const gains = (analysis: Analysis): Figure => {
  const { sensors, gain } = analysis;
  return gainBars(
    ['nClear', 'meanGap', 'maxGap'].map((key) => {
      const { measure, means } = gain().find((candidate) => candidate.measure.key === key)!;
      return {
        label: key === 'maxGap' ? 'longest gap' : measure.label,
        unit: measure.unit,
        bars: [...sensors, ...(sensors.length > 1 ? [sensors.join('+')] : [])].map((set) => ({
          name: sensorLabel(set),
          ...means[set],
          colour: colourOf(set, sensors),
        })),
      };
    }),
    titled('One sensor and several', analysis),
  );
};

/** One figure of an analysis: its file's name, what it shows, and the figure. */
export interface AnalysisFigure {
  name: string;
  heading: string;
  figure: Figure;
}

/** The figures of an analysis; the map only where outlines of tiles are known. Simulated ones say so. */
export const analysisFigures = (analysis: Analysis): AnalysisFigure[] => {
  const mapped = map(analysis);
  return [
    { name: 'gain', heading: 'One sensor and several', figure: gains(analysis) },
    { name: 'gap-ecdf', heading: 'Gaps between clear observations', figure: ecdf(analysis) },
    { name: 'months', heading: 'Clear observations per month', figure: months(analysis) },
    { name: 'calendar', heading: 'When each tile was seen', figure: calendar(analysis) },
    ...(mapped ? [{ name: 'map', heading: 'Where', figure: mapped }] : []),
  ];
};
