import type { Table } from '../evaluation/table.js';
import type { Analysis } from './analyse.js';
import type { Interval } from './bootstrap-tiles.js';
import { dayText } from './days.js';
import { gapQuantiles } from './gaps.js';
import { sensorLabel } from './sensors.js';
import { sensorSets } from './statistics.js';
import { windowLengths } from './windows.js';

const periodText = ({ period }: Analysis): string => `${dayText(period.from)} to ${dayText(period.to)}`;

const marked = (caption: string, analysis: Analysis): string =>
  analysis.simulated ? `${caption} (simulated acquisitions)` : caption;

const clearText = ({ threshold }: Analysis): string => `${Math.round(threshold * 1000) / 10} % clear`;

const intervalText = ({ low, high }: Interval, digits: number): string | undefined =>
  Number.isFinite(low) ? `[${low.toFixed(digits)}, ${high.toFixed(digits)}]` : undefined;

/** The gain table: each sensor alone, all together, and the ratio, means over tiles with 95 % intervals. */
export const gainTableOf = (analysis: Analysis): Table => {
  const { sensors, statistics } = analysis;
  const sets = sensorSets(sensors).map((set) => set.join('+'));
  const all = sensorLabel(sensors.join('+'));
  return {
    caption: marked(`Observations of ${statistics.size} tiles, ${periodText(analysis)}`, analysis),
    columns: [
      { label: 'mean over tiles' },
      ...sets.map((set) => ({ label: sensorLabel(set), digits: 2 })),
      ...(sensors.length > 1
        ? sensors.map((sensor) => ({ label: `together / ${sensorLabel(sensor)}`, digits: 2 }))
        : []),
    ],
    rows: analysis.gain().map(({ measure, means, ratios }) => ({
      cells: [
        `${measure.label} [${measure.unit}]`,
        ...sets.map((set) => ({ value: means[set].value, spread: intervalText(means[set], measure.digits) })),
        ...Object.values(ratios).map((ratio) => ({ value: ratio.value, spread: intervalText(ratio, 2) })),
      ],
    })),
    notes: [
      `Clear: at least ${clearText(analysis)}. Gaps are between clear observations; the longest gap has the period's first and last day as boundaries. Windows begin on every day.`,
      ...(sensors.length > 1 ? [`Together: ${all}; a day seen by several counts once.`] : []),
      statistics.size > 1
        ? 'In brackets: 95 % percentile interval of the bootstrap over tiles.'
        : 'One tile: no interval over tiles.',
    ],
  };
};

/** A row for each tile and set of sensors: everything that is counted, gaps with both conventions. */
export const tileTableOf = (analysis: Analysis): Table => ({
  caption: marked(`Each tile, ${periodText(analysis)}, ${clearText(analysis)}`, analysis),
  columns: [
    { label: 'tile' },
    { label: 'sensors' },
    ...['images', 'days', 'clear days'].map((label) => ({ label, digits: 0 })),
    { label: 'cloud-weighted days', digits: 1 },
    { label: 'days without cloud value', digits: 0 },
    ...['gap', 'gap with edges'].flatMap((kind) => [
      ...['min', 'mean', 'median', 'max', 'std'].map((name) => ({
        label: `${kind} ${name}`,
        unit: 'd',
        digits: 2,
      })),
      ...gapQuantiles.map((share) => ({
        label: `${kind} Q${String(Math.round(share * 100)).padStart(2, '0')}`,
        unit: 'd',
        digits: 2,
      })),
      { label: `${kind} longest from` },
      { label: `${kind} longest to` },
    ]),
    ...windowLengths.map((length) => ({ label: `${length}-day windows`, unit: '%', digits: 1 })),
  ],
  rows: [...analysis.statistics].flatMap(([tile, bySet]) =>
    [...bySet].map(([set, found]) => ({
      cells: [
        tile,
        set,
        found.raw,
        found.n,
        found.nClear,
        found.nWeighted,
        found.unknown,
        ...[found.gaps, found.gapsWithEdges].flatMap(
          ({ min, mean, median, max, std, quantiles, longest }) => [
            min,
            mean,
            median,
            max,
            std,
            ...quantiles,
            longest?.from ?? null,
            longest?.to ?? null,
          ],
        ),
        ...found.windows.map((share) => (share === null ? null : share * 100)),
      ],
    })),
  ),
});

/** The same in the few columns that a reader wants to see. */
export const shortTileTableOf = (analysis: Analysis): Table => ({
  caption: marked(`Each tile, ${periodText(analysis)}, ${clearText(analysis)}`, analysis),
  columns: [
    { label: 'tile' },
    { label: 'sensors' },
    ...['images', 'days', 'clear days'].map((label) => ({ label, digits: 0 })),
    ...['mean gap', 'median gap', 'longest gap'].map((label) => ({ label, unit: 'd', digits: 1 })),
    { label: 'longest with edges', unit: 'd', digits: 1 },
    { label: 'from' },
    { label: 'to' },
  ],
  rows: [...analysis.statistics].flatMap(([tile, bySet]) =>
    [...bySet].map(([set, { raw, n, nClear, gaps, gapsWithEdges }]) => ({
      cells: [
        tile,
        sensorLabel(set),
        raw,
        n,
        nClear,
        gaps.mean,
        gaps.median,
        gaps.max,
        gapsWithEdges.max,
        gapsWithEdges.longest?.from ?? null,
        gapsWithEdges.longest?.to ?? null,
      ],
    })),
  ),
});

/** Clear observations by month: a row for each tile and set of sensors. */
export const monthTableOf = (analysis: Analysis): Table => {
  const months = Object.keys([...[...analysis.statistics.values()][0].values()][0].perMonth);
  return {
    caption: marked(`Clear observations per month, ${clearText(analysis)}`, analysis),
    columns: [{ label: 'tile' }, { label: 'sensors' }, ...months.map((label) => ({ label, digits: 0 }))],
    rows: [...analysis.statistics].flatMap(([tile, bySet]) =>
      [...bySet].map(([set, { perMonth }]) => ({ cells: [tile, set, ...Object.values(perMonth)] })),
    ),
  };
};
