import type { Table } from '../evaluation/table.js';
import { meanRmse } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';
import type { Figure } from '../figures/figure.js';
import { intervalPlot } from '../figures/interval-plot.js';
import { lossCurves } from '../figures/loss-curves.js';
import { palette } from '../figures/theme.js';
import { type Manifest, readManifest, sweepFolder } from '../sweeps/manifest.js';
import { sweepTables } from '../sweeps/sweep-tables.js';
import { type FinishedRun, finishedRuns } from '../training/list-runs.js';
import { lossCurveOf } from '../training/loss-curve.js';

/** What a sweep came to. */
export interface SweepReport {
  manifest: Manifest;
  runs: FinishedRun[];
  /** Rows with their RMSE, differences and p-values; R² and the names of runs stand in the written table. */
  table: Table;
  /** Mean RMSE of the bands and RMSE of NDVI: intervals over tiles, a circle for each seed. */
  seeds: Figure;
  /** What each axis of the grid changes, everything else and the seed the same; negative is better. */
  effects: Record<string, string | number>[];
  /** Training and validation error by epoch, first seed. */
  curves: Figure;
  /** One line: how many runs, which seeds and epochs. */
  summary: string;
}

/** Values of each axis, in the order in which the trials have them. */
const axesOf = ({ trials }: Manifest): Map<string, string[]> => {
  const axes = new Map<string, string[]>();
  for (const { values } of trials)
    for (const [axis, value] of Object.entries(values))
      axes.set(axis, [...new Set([...(axes.get(axis) ?? []), value])]);
  return axes;
};

/** Mean test RMSE of `to` less that of `from`, over pairs of runs that differ in this axis alone. */
const effectsOf = (manifest: Manifest, runs: ReadonlyMap<string, FinishedRun>): SweepReport['effects'] => {
  const trials = manifest.trials.filter(({ values }) => Object.keys(values).length > 0);
  const error = (tag: string): number => meanRmse(runs.get(tag)!.result.scores.test);
  return [...axesOf(manifest)].flatMap(([axis, [from, ...others]]) =>
    others.flatMap((to) => {
      const groups = new Map<string, number[]>();
      for (const on of trials.filter(({ values }) => values[axis] === to)) {
        const off = trials.find(
          ({ values, experiment }) =>
            values[axis] === from &&
            experiment.seed === on.experiment.seed &&
            Object.entries(on.values).every(([other, value]) => other === axis || values[other] === value),
        );
        if (!off) continue;
        const company = Object.entries(on.values)
          .filter(([other]) => other !== axis)
          .map(([other, value]) => `${other}=${value}`)
          .join(', ');
        groups.set(company, [...(groups.get(company) ?? []), error(on.tag) - error(off.tag)]);
      }
      return [...groups].map(([company, changes]) => ({
        ...{ part: `${axis}: ${from} → ${to}`, with: company || 'nothing else', pairs: changes.length },
        'Δ mean RMSE (×10⁴)': Number(
          (changes.reduce((sum, value) => sum + value, 0) / changes.length).toFixed(2),
        ),
        lowest: Number(Math.min(...changes).toFixed(2)),
        highest: Number(Math.max(...changes).toFixed(2)),
      }));
    }),
  );
};

const withoutDetails = ({ columns, rows, ...table }: Table): Table => {
  const shown = [...columns.keys()].filter((at) => !/^R²|^runs$/.test(columns[at].label));
  return {
    ...table,
    columns: shown.map((at) => columns[at]),
    rows: rows.map((row) => ({ ...row, cells: shown.map((at) => row.cells[at]) })),
  };
};

/**
 * Reads a finished sweep; nothing is trained.
 *
 * @param name of the sweep, as `defineSweep` has it
 * @param options.curvesOf which trained runs the loss curves are of; default those of the first seed
 * @throws Fault where the sweep is not there, or not finished
 */
export const sweepReport = async (
  name: string,
  {
    outputDir = 'outputs',
    draws,
    note,
    curvesOf = () => true,
  }: { outputDir?: string; draws?: number; note?: string; curvesOf?: (run: FinishedRun) => boolean } = {},
): Promise<SweepReport> => {
  const manifest = await readManifest(sweepFolder(name, outputDir).manifest);
  if (!manifest) throw new Fault(`sweep: ${name}; not under ${outputDir}, run it first`);
  const { trials } = manifest;
  const runs = await finishedRuns(
    trials.map(({ tag }) => `${name}/${tag}`),
    outputDir,
  );
  const titled = (text: string): string => `${text}${note ? ` (${note})` : ''}`;
  const tables = sweepTables({ manifest, runs }, { draws, caption: titled(manifest.description || name) });
  const labelled = runs.map((run, at) => ({ label: trials[at].label, run }));
  const baseline = trials.find(({ row }) => row === manifest.baseline)?.label ?? trials[0].label;
  const of = (label: string, channel: string) =>
    tables.rows.find(
      (one) => one.label === label && one.measure.name === 'rmse' && one.measure.channel === channel,
    );
  const valuesOf = (label: string, channel: string): number[] =>
    labelled
      .filter((one) => one.label === label)
      .map(({ run: { result } }) => {
        const score = result.scores.test;
        return channel === 'NDVI' ? (score.ndvi?.rmse ?? Number.NaN) : meanRmse(score);
      });
  const rows = [...new Set(labelled.map(({ label }) => label))];
  const trained = runs.filter(({ result }) => result.training);
  const seeds = [...new Set(trained.map(({ result }) => result.seed))];
  const epochs = [...new Set(trained.map(({ result }) => result.training!.epochs))];
  const channels = runs[0].result.scores.test.ndvi ? ['mean', 'NDVI'] : ['mean'];
  const isTrained = new Set(labelled.filter(({ run }) => run.result.training).map(({ label }) => label));
  const shown = trained.filter((run) => run.result.seed === seeds[0] && curvesOf(run));
  return {
    manifest,
    runs,
    table: withoutDetails(tables.comparison),
    seeds: intervalPlot(
      rows.map((label) => ({
        label,
        colour: isTrained.has(label) ? palette[1] : palette[0],
        estimates: channels.map((channel) => {
          const found = of(label, channel);
          const points = valuesOf(label, channel);
          return found?.interval
            ? { value: found.mean, ...found.interval, ...(points.length > 1 ? { points } : {}) }
            : null;
        }),
      })),
      channels.map((channel) => ({
        label: channel === 'mean' ? 'mean of the bands' : channel,
        axis: channel === 'mean' ? 'RMSE [× 10⁴]' : 'RMSE',
        reference: of(baseline, channel)?.mean,
      })),
      titled(`Test error, 95 % intervals over tiles, circles: seeds; dashed: ${baseline}`),
    ),
    effects: effectsOf(manifest, new Map(runs.map((run, at) => [trials[at].tag, run]))),
    curves: lossCurves(
      await Promise.all(shown.map((run) => lossCurveOf(run, labelled.find((one) => one.run === run)!.label))),
      titled('Training (lines) and validation (circles) error, first seed'),
    ),
    summary: `${runs.length} runs, ${trained.length} of them trained: seeds ${seeds.join(', ')}; ${epochs.join(', ')} epochs`,
  };
};
