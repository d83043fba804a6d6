import { join } from 'node:path';
import { type AblationTables, ablationTables } from '../evaluation/ablation-table.js';
import { checkPaperRows, type PaperValues } from '../evaluation/paper-values.js';
import { writeTables } from '../evaluation/render-table.js';
import type { SeededModel } from '../evaluation/row-statistics.js';
import { type FinishedRun, finishedRuns } from '../training/list-runs.js';
import type { Trial } from './expand.js';
import { tagsOf } from './label-runs.js';
import { type Manifest, readManifest, sweepFolder } from './manifest.js';
import { seededModels } from './seeded-models.js';

/** A sweep as it lies on disk: what was submitted, and the runs of it that are finished, in the order of the manifest. */
export interface StoredSweep {
  manifest: Manifest;
  runs: readonly FinishedRun[];
}

/** Reads a sweep that may be under way; null where there is none or no run of it is finished. */
export const readSweep = async (name: string, outputDir?: string): Promise<StoredSweep | null> => {
  const manifest = await readManifest(sweepFolder(name, outputDir).manifest);
  if (!manifest) return null;
  const tags = await tagsOf([name], outputDir);
  return tags.length > 0 ? { manifest, runs: await finishedRuns(tags, outputDir) } : null;
};

/** The trials of a sweep whose row is wanted, as a sweep of their own. */
export const someRows = (
  { manifest, runs }: StoredSweep,
  isWanted: (row: string) => boolean,
  baseline: string | null = manifest.baseline,
): StoredSweep => {
  const trials = manifest.trials.filter(({ row }) => isWanted(row));
  const tags = new Set(trials.map(({ tag }) => `${manifest.name}/${tag}`));
  return {
    manifest: { ...manifest, trials, baseline },
    runs: runs.filter(({ folder }) => tags.has(folder.tag)),
  };
};

/** The rows of a sweep with what their finished runs recorded of the test tiles. */
export const sweepRows = ({ manifest, runs }: StoredSweep): SeededModel[] => {
  const tagOf = (trial: Trial): string => `${manifest.name}/${trial.tag}`;
  const trialOf = new Map(manifest.trials.map((trial) => [tagOf(trial), trial]));
  const finished = new Set(runs.map(({ folder }) => folder.tag));
  const missing = new Map<string, string[]>();
  for (const trial of manifest.trials)
    if (!finished.has(tagOf(trial)))
      missing.set(trial.label, [...(missing.get(trial.label) ?? []), tagOf(trial)]);
  return seededModels(
    runs.map((run) => ({ label: trialOf.get(run.folder.tag)!.label, run })),
    {},
    missing,
  );
};

/**
 * The tables of a sweep from the records of its finished runs; nothing is trained or tested. The same runs give the same
 * bytes, whichever executor made them.
 *
 * @throws Fault where rows were not tested on the same tiles, and for rows of `paper` that are not there
 */
export const sweepTables = (
  stored: StoredSweep,
  { draws, paper, caption }: { draws?: number; paper?: PaperValues; caption?: string } = {},
): AblationTables => {
  const { manifest, runs } = stored;
  const models = sweepRows(stored);
  if (paper)
    checkPaperRows(
      paper,
      models.map(({ label }) => label),
    );
  const wish = manifest.trials.find(({ row }) => row === manifest.baseline)?.label;
  const baseline = models.some(({ label }) => label === wish) ? wish : undefined;
  const labels = new Set(manifest.trials.map(({ label }) => label));
  const gone = [...labels].filter((label) => !models.some((model) => model.label === label));
  const notes = gone.map((label) => `${label}: no run finished.`);
  const { bands } = runs[0].experiment.data;
  const title = caption ?? (manifest.description || manifest.name);
  return ablationTables(models, bands, { caption: title, baseline, draws, paper, notes });
};

/** Writes `<folder>/<name>.md/.csv/.tex` and `<name>-statistics.…`; returns the Markdown files' paths. */
export const writeSweepTables = async (
  name: string,
  folder: string,
  tables: AblationTables,
): Promise<string[]> => {
  await writeTables(name, folder, tables.comparison);
  await writeTables(`${name}-statistics`, folder, tables.statistics);
  return [join(folder, `${name}.md`), join(folder, `${name}-statistics.md`)];
};
