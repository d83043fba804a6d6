import { join } from 'node:path';
import { ablationTable, statisticsTable } from '../evaluation/ablation-table.js';
import { checkPaperRows, type PaperValues } from '../evaluation/paper-values.js';
import { writeTables } from '../evaluation/render-table.js';
import type { Table } from '../evaluation/table.js';
import type { FinishedRun } from '../training/list-runs.js';
import type { Trial } from './expand.js';
import type { Manifest } from './manifest.js';
import { seededModels } from './seeded-models.js';

/** The tables of a sweep. */
export interface SweepTables {
  /** A row for each configuration. */
  comparison: Table;
  /** A line for each configuration and metric. */
  statistics: Table;
}

/**
 * The tables of a sweep from the records of its finished runs; nothing is trained or tested. The same runs give the same
 * bytes, whichever executor made them.
 *
 * @throws Fault where rows were not tested on the same tiles, and for rows of `paper` that are not there
 */
export const sweepTables = (
  { manifest, runs }: { manifest: Manifest; runs: readonly FinishedRun[] },
  { draws, paper, caption }: { draws?: number; paper?: PaperValues; caption?: string } = {},
): SweepTables => {
  const tagOf = (trial: Trial): string => `${manifest.name}/${trial.tag}`;
  const trialOf = new Map(manifest.trials.map((trial) => [tagOf(trial), trial]));
  const finished = new Set(runs.map(({ folder }) => folder.tag));
  const missing = new Map<string, string[]>();
  for (const trial of manifest.trials)
    if (!finished.has(tagOf(trial)))
      missing.set(trial.label, [...(missing.get(trial.label) ?? []), tagOf(trial)]);
  const models = seededModels(
    runs.map((run) => ({ label: trialOf.get(run.folder.tag)!.label, run })),
    {},
    missing,
  );
  if (paper)
    checkPaperRows(
      paper,
      models.map(({ label }) => label),
    );
  const wish = manifest.trials.find(({ row }) => row === manifest.baseline)?.label;
  const baseline = models.some(({ label }) => label === wish) ? wish : undefined;
  const gone = [...missing.keys()].filter((label) => !models.some((model) => model.label === label));
  const notes = gone.map((label) => `${label}: no run finished.`);
  const { bands } = runs[0].experiment.data;
  const title = caption ?? (manifest.description || manifest.name);
  const options = { caption: title, baseline, draws, paper, notes };
  return {
    comparison: ablationTable(models, bands, options),
    statistics: statisticsTable(models, bands, options),
  };
};

/** Writes `<folder>/<name>.md/.csv/.tex` and `<name>-statistics.…`; returns the Markdown files' paths. */
export const writeSweepTables = async (
  name: string,
  folder: string,
  tables: SweepTables,
): Promise<string[]> => {
  await writeTables(name, folder, tables.comparison);
  await writeTables(`${name}-statistics`, folder, tables.statistics);
  return [join(folder, `${name}.md`), join(folder, `${name}-statistics.md`)];
};
