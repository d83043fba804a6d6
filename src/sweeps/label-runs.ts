import { dirname } from 'node:path';
import type { FinishedRun } from '../training/list-runs.js';
import { readResult } from '../training/result.js';
import { type Manifest, readManifest, sweepFolder } from './manifest.js';
import { type RowRun, rowKey } from './seeded-models.js';

/** The runs that `names` stand for: tags, and sweeps, whose every finished trial is meant. */
export const tagsOf = async (names: readonly string[], outputDir?: string): Promise<string[]> => {
  const tags = await Promise.all(
    names.map(async (name) => {
      const manifest = await readManifest(sweepFolder(name, outputDir).manifest);
      if (!manifest) return [name];
      const place = sweepFolder(name, outputDir);
      const runs = manifest.trials.map((trial) => place.trial(trial));
      const results = await Promise.all(runs.map(({ result }) => readResult(result)));
      return runs.filter((_, i) => results[i]).map(({ tag }) => tag);
    }),
  );
  return [...new Set(tags.flat())];
};

/**
 * Rows for runs: those of a sweep by its labels, others by their experiment's name; by tag where two configurations would
 * have one name.
 */
export const labelRuns = async (runs: readonly FinishedRun[], outputDir?: string): Promise<RowRun[]> => {
  const manifests = new Map<string, Manifest | null>();
  const rows: { label: string; run: FinishedRun }[] = [];
  for (const run of runs) {
    const sweep = dirname(run.folder.tag);
    if (sweep !== '.' && !manifests.has(sweep))
      manifests.set(sweep, await readManifest(sweepFolder(sweep, outputDir).manifest));
    const trial = manifests.get(sweep)?.trials.find(({ tag }) => `${sweep}/${tag}` === run.folder.tag);
    rows.push({ label: trial?.label ?? run.experiment.name, run });
  }
  const keys = new Map<string, Set<string>>();
  for (const { label, run } of rows)
    keys.set(label, (keys.get(label) ?? new Set()).add(rowKey(run.experiment)));
  return rows.map(({ label, run }) => ({
    label: keys.get(label)!.size > 1 ? run.folder.tag : label,
    run,
  }));
};
