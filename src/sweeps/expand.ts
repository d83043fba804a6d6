import { override } from '../config/override.js';
import { didYouMean } from '../config/spelling.js';
import type { Experiment, ExperimentInput } from '../experiments/experiment.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { loadExperiment, loadTyped } from '../experiments/load.js';
import type { GridAxis, SweepInput } from '../experiments/sweep.js';
import { Fault, refuse } from '../fault.js';
import { modelOf } from '../models/index.js';

/** One run of a sweep: a row of its table with one seed. */
export interface Trial {
  /** Position in the sweep, from 0. */
  index: number;
  /** Folder under the sweep's own. */
  tag: string;
  /** The row that it belongs to: the tag without its seed and fold. */
  row: string;
  /** Name of the row in tables. */
  label: string;
  /** Values of the axes, as they are written. */
  values: Readonly<Record<string, string>>;
  experiment: Experiment;
}

type Tree = Record<string, unknown>;

interface Choice {
  axis: string;
  value: string;
  /** What it sets, by dotted key. */
  settings: Readonly<Record<string, unknown>>;
}

const isTree = (value: unknown): value is Tree =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Leaves of a part of an experiment by dotted key, values kept. */
const leaves = (tree: Tree, prefix = ''): Tree =>
  Object.assign(
    {},
    ...Object.entries(tree).map(([key, value]) =>
      isTree(value) ? leaves(value, `${prefix}${key}.`) : { [prefix + key]: value },
    ),
  );

const assign = (tree: Tree, [key, ...rest]: string[], value: unknown): Tree => ({
  ...tree,
  [key]: rest.length === 0 ? value : assign(isTree(tree[key]) ? tree[key] : {}, rest, value),
});

/** A copy of `input` with values set at dotted keys. */
const set = (input: ExperimentInput, settings: Readonly<Tree>): ExperimentInput =>
  Object.entries(settings).reduce<Tree>(
    (tree, [key, value]) => assign(tree, key.split('.'), value),
    input as Tree,
  ) as ExperimentInput;

const written = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const choicesOf = (axis: string, values: GridAxis): Choice[] =>
  Array.isArray(values)
    ? values.map((value: unknown) => ({ axis, value: written(value), settings: { [axis]: value } }))
    : Object.entries(values).map(([value, part]) => ({ axis, value, settings: leaves(part as Tree) }));

const product = (axes: readonly Choice[][]): Choice[][] =>
  axes.reduce<Choice[][]>(
    (rows, axis) => rows.flatMap((row) => axis.map((choice) => [...row, choice])),
    [[]],
  );

const slug = (text: string): string => text.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'x';

/** The short name of an axis: the last part of its key where that is unambiguous. */
const shortNames = (axes: readonly string[]): Map<string, string> => {
  const last = axes.map((axis) => axis.split('.').at(-1)!);
  return new Map(
    axes.map((axis, i) => [axis, last.filter((name) => name === last[i]).length > 1 ? axis : last[i]]),
  );
};

/** A fold is not a row of its own: the table pools the folds of a row. */
const foldAxis = 'split.fold';

/** Settings that say what is tested on: the references share them with the base. */
const isShared = (word: string): boolean => /^(data|split)\.|^(backend|model\.knots)=/.test(word);

const inputOf = async (source: string | ExperimentInput): Promise<ExperimentInput> => {
  if (typeof source !== 'string') return source;
  const { path, value } = await loadTyped(source);
  if (!isTree(value))
    throw new Fault(`experiment: ${path}; its default export must be defineExperiment({…})`);
  await loadExperiment(source);
  return value as ExperimentInput;
};

const nameOf = (input: ExperimentInput): string => input.name ?? 'experiment';

/** Models that a seed does not change. */
const hasClosedForm = (experiment: Experiment): boolean => !modelOf(experiment).network;

/** Faults of settings that are given from outside and varied by the sweep as well. */
const varied = (words: readonly string[], axes: readonly Choice[][]): string[] => {
  const keys = new Set(axes.flat().flatMap(({ settings }) => Object.keys(settings)));
  return words
    .map((word) => word.slice(0, word.indexOf('=')))
    .filter((key) =>
      [...keys].some((own) => own === key || own.startsWith(`${key}.`) || key.startsWith(`${own}.`)),
    )
    .map((key) => `--set: ${key}; the sweep varies it, change its grid instead`);
};

/**
 * The trials of a sweep in the order of its tables: the references, then every combination of the grid with every seed.
 *
 * @param words `--set` words over the base; those about data, split, backend and knots reach the references too
 * @param seeds instead of the sweep's own
 * @throws Fault with everything wrong with any of the configurations
 */
export const expandSweep = async (
  sweep: SweepInput,
  words: readonly string[] = [],
  seeds: readonly number[] | undefined = sweep.seeds,
): Promise<Trial[]> => {
  const axes = Object.entries(sweep.grid ?? {}).map(([axis, values]) => choicesOf(axis, values));
  refuse([
    ...varied(words, axes),
    ...('seed' in (sweep.grid ?? {}) ? ['sweep: grid.seed; give the seeds as `seeds`'] : []),
    ...(words.some((word) => word.startsWith('seed=')) ? ['--set: seed; give --seeds'] : []),
  ]);
  const base = override(await inputOf(sweep.base), words);
  const short = shortNames(axes.map(([choice]) => choice.axis));
  /** Labels of the rows that have a fault, by the fault. */
  const faults = new Map<string, Set<string>>();
  const trials: Trial[] = [];
  const resolve = (what: string, input: ExperimentInput): Experiment | null => {
    try {
      return resolveExperiment(input);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      for (const fault of error.faults) faults.set(fault, (faults.get(fault) ?? new Set()).add(what));
      return null;
    }
  };
  const add = (
    row: string,
    label: string,
    choices: readonly Choice[],
    input: ExperimentInput,
    own: readonly number[],
  ) => {
    const fold = choices.find(({ axis }) => axis === foldAxis);
    for (const seed of own) {
      const experiment = resolve(label, { ...input, name: row, seed });
      if (!experiment) return;
      const alone = hasClosedForm(experiment);
      const tag = [row, ...(fold ? [`f${fold.value}`] : []), ...(alone ? [] : [`s${seed}`])].join('-');
      const values = Object.fromEntries(choices.map(({ axis, value }) => [short.get(axis)!, value]));
      trials.push({ index: trials.length, tag, row, label, values, experiment });
      if (alone) return;
    }
  };

  const folds = axes.filter(([{ axis }]) => axis === foldAxis);
  for (const reference of sweep.references ?? []) {
    const input = override(await inputOf(reference), words.filter(isShared));
    for (const choices of product(folds)) {
      const placed = set(
        { ...input, data: base.data, split: base.split },
        Object.assign({}, ...choices.map((c) => c.settings)),
      );
      add(slug(nameOf(input)), nameOf(input), choices, placed, [input.seed ?? 2022]);
    }
  }
  for (const choices of product(axes)) {
    const named = choices.filter(({ axis }) => axis !== foldAxis);
    const values = Object.fromEntries(named.map(({ axis, value }) => [short.get(axis)!, value]));
    const pairs = Object.entries(values);
    const row = pairs.map(([axis, value]) => `${slug(axis)}-${slug(value)}`).join('_') || slug(nameOf(base));
    const label =
      sweep.labels?.(values) ?? (pairs.map(([axis, value]) => `${axis}=${value}`).join(', ') || nameOf(base));
    const input = choices.reduce((tree, { settings }) => set(tree, settings), base);
    add(row, label, choices, input, seeds ?? [base.seed ?? 2022]);
  }
  refuse([...faults].map(([fault, labels]) => `${rowsWith(labels)}: ${fault}`));
  refuse([...twins(trials), ...missingBaseline(sweep, trials)]);
  return trials;
};

/** Rows with the same fault: a word of --set is wrong in all of them, and is told once. */
const rowsWith = (labels: ReadonlySet<string>): string => {
  const [first] = labels;
  return labels.size === 1 ? first : `${first} and ${labels.size - 1} more rows`;
};

const twins = (trials: readonly Trial[]): string[] => {
  const [tags, labels] = [new Map<string, Trial>(), new Map<string, string>()];
  const faults = new Set<string>();
  for (const trial of trials) {
    const twin = tags.get(trial.tag);
    if (twin)
      faults.add(`sweep: ${trial.tag}; two runs would have this tag, rename a reference or a variant`);
    tags.set(trial.tag, trial);
    if ((labels.get(trial.label) ?? trial.row) !== trial.row)
      faults.add(`sweep: labels; ${trial.label} names two rows`);
    labels.set(trial.label, trial.row);
  }
  return [...faults];
};

const missingBaseline = ({ baseline }: SweepInput, trials: readonly Trial[]): string[] => {
  if (baseline === undefined || trials.some(({ row, label }) => row === baseline || label === baseline))
    return [];
  const labels = [...new Set(trials.map(({ label }) => label))];
  return [`sweep: baseline ${baseline}; ${didYouMean(baseline, labels)}one of ${labels.join('; ')}`];
};
