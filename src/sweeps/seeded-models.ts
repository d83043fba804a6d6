import type { SeededModel } from '../evaluation/row-statistics.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault, refuse } from '../fault.js';
import { boundOf } from '../models/index.js';
import type { FinishedRun } from '../training/list-runs.js';

/** A run and the row that it belongs to. */
export interface RowRun {
  label: string;
  run: FinishedRun;
}

/** What makes two runs the same row: the configuration without name, seed and fold. */
export const rowKey = ({ name: _, description: _d, seed: _s, split, ...rest }: Experiment): string =>
  JSON.stringify({ ...rest, split: { ...split, fold: null } });

const byTile = (a: TileRecord, b: TileRecord): number => (a.tile < b.tile ? -1 : a.tile > b.tile ? 1 : 0);

/** Which part of the records a table is made of. */
export interface RecordChoice {
  split?: 'val' | 'test';
  region?: string;
}

/**
 * Runs as rows of a table: those of one label are one row; runs that differ in their fold only are pooled into one set of
 * tiles, so that each tile is scored by the model that has not seen its group.
 *
 * @param missing labels → tags of runs that are not finished
 * @throws Fault where rows were not tested on the same tiles
 */
export const seededModels = (
  runs: readonly RowRun[],
  { split = 'test', region }: RecordChoice = {},
  missing: ReadonlyMap<string, readonly string[]> = new Map(),
): SeededModel[] => {
  const labels = [...new Set(runs.map(({ label }) => label))];
  const folds = new Set(runs.map(({ run }) => run.experiment.split.fold));
  const models = labels.map((label): SeededModel => {
    const own = runs.filter((one) => one.label === label).map(({ run }) => run);
    const seeds = new Map<number, FinishedRun[]>();
    for (const run of own) seeds.set(run.experiment.seed, [...(seeds.get(run.experiment.seed) ?? []), run]);
    // a seed with a fold missing says nothing of the fold's tiles
    const whole = [...seeds.values()].filter(
      (group) => new Set(group.map(({ experiment }) => experiment.split.fold)).size === folds.size,
    );
    const twins = [...seeds.values()].find((group) => group.length > folds.size);
    if (twins)
      throw new Fault(
        `run: ${twins.map(({ folder }) => folder.tag).join(', ')}; the same configuration and seed, compare one of them`,
      );
    const { result } = own[0];
    return {
      label,
      bound: boundOf(result.kind),
      converged: own.every((run) => run.result.training?.converged !== false),
      parameters: result.parameters,
      seeds: whole.map((group) =>
        group
          .flatMap(({ tiles }) => tiles)
          .filter((record) => record.split === split && (region === undefined || record.region === region))
          .sort(byTile),
      ),
      runs: whole.flat().map(({ folder }) => folder.tag),
      missing: [
        ...(missing.get(label) ?? []),
        ...own
          .filter((run) => !whole.flat().includes(run))
          .map(({ folder }) => `${folder.tag} (its other folds)`),
      ],
    };
  });
  const usable = models.filter(({ seeds }) => seeds.length > 0);
  refuse(usable.length === 0 ? ['runs: no row has all its folds; finish them first'] : []);
  const tilesOf = (records: readonly TileRecord[]): string => records.map(({ tile }) => tile).join();
  const first = tilesOf(usable[0].seeds[0]);
  refuse(
    first === ''
      ? [`runs: no tiles of the ${split} list${region === undefined ? '' : ` in region ${region}`}`]
      : [],
  );
  refuse(
    usable
      .filter(({ seeds }) => seeds.some((records) => tilesOf(records) !== first))
      .map(
        ({ label }) =>
          `run: ${label}; it was not tested on the same tiles as ${usable[0].label}, so they cannot be compared`,
      ),
  );
  return usable;
};
