import { z } from 'zod';
import { didYouMean, notOneOf } from '../config/spelling.js';
import { refuse } from '../fault.js';
import type { ExperimentInput } from './experiment.js';

/**
 * What one axis of a grid takes: the values of a setting, or variants by name, each a part of an experiment, for what
 * several settings make up together.
 */
export type GridAxis = readonly unknown[] | Readonly<Record<string, ExperimentInput>>;

/** Resources that each Slurm job asks for, and how trials are dealt out to jobs. */
export interface SlurmSettings {
  partition?: string;
  account?: string;
  qos?: string;
  constraint?: string;
  /** Wall-clock limit of a job, as sbatch takes it: `minutes` or `[days-]hours:minutes:seconds`. Default `60`. */
  time?: string;
  /** Memory of a job, as sbatch takes it, such as `4G`. Default: the cluster's. */
  mem?: string;
  /** Cores of a job; the kernels use as many threads. Default 1. */
  cpus?: number;
  /** Jobs that run at the same time at most (`--array=…%N`). Default 256. */
  parallel?: number;
  /** Trials that one job runs, one after the other. Default: as many as fill about ten minutes where a cost is known, else 1. */
  perJob?: number;
  /** Seconds before the time limit that a job is told to stop, checkpoint and queue again. Default 60. */
  signalSeconds?: number;
  /** Any other sbatch options, such as `['--nice=100']`. */
  options?: readonly string[];
}

/** A sweep: every combination of a grid with every seed, and the rows that they are compared with. */
export interface SweepInput {
  /** Names the folder of runs and the table. */
  name: string;
  description?: string;
  /** What the grid varies: an experiment's name or path, or the experiment itself. */
  base: string | ExperimentInput;
  /** Dotted setting → its values (`'loss.tv': [0, 0.01]`), or any name → named variants. The last axis varies fastest. */
  grid?: Readonly<Record<string, GridAxis>>;
  /** Seeds of every combination. Default: the base's own. Models with a closed form run once. */
  seeds?: readonly number[];
  /** Experiments beside the grid, run once, on the base's data and split: baselines, and the oracle as the bound. */
  references?: readonly (string | ExperimentInput)[];
  /** Row that the others are compared with: a reference's name or a label. Default: the first row that is not the oracle. */
  baseline?: string;
  /** Name of a row from its axes' values, as they are written. Default `axis=value, …`. */
  labels?: (values: Readonly<Record<string, string>>) => string;
  slurm?: SlurmSettings;
}

/** A typed sweep file's default export. */
export const defineSweep = (sweep: SweepInput): SweepInput => sweep;

const experimentLike = z.union([z.string().min(1), z.looseObject({})]);

const slurmSchema = z.strictObject({
  partition: z.string().optional(),
  account: z.string().optional(),
  qos: z.string().optional(),
  constraint: z.string().optional(),
  time: z.string().optional(),
  mem: z.string().optional(),
  cpus: z.int().min(1).optional(),
  parallel: z.int().min(1).optional(),
  perJob: z.int().min(1).optional(),
  signalSeconds: z.int().min(1).optional(),
  options: z.array(z.string().regex(/^--[a-z]/, 'an sbatch option such as --nice=100')).optional(),
});

const sweepSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dot, dash and underscore'),
  description: z.string().optional(),
  base: experimentLike,
  grid: z
    .record(
      z.string().min(1),
      z.union([z.array(z.unknown()).min(1), z.record(z.string().min(1), z.looseObject({}))]),
    )
    .optional(),
  seeds: z.array(z.int().min(0).max(0xffffffff)).min(1).optional(),
  references: z.array(experimentLike).optional(),
  baseline: z.string().optional(),
  labels: z.custom<SweepInput['labels']>((value) => typeof value === 'function', 'a function').optional(),
  slurm: slurmSchema.optional(),
});

/**
 * Checks Slurm settings that stand alone, as `--slurm key=value` words give them.
 * @throws Fault with a line for each unknown key and each value of the wrong type
 */
export const checkSlurm = (input: unknown): SlurmSettings => {
  const result = slurmSchema.safeParse(input);
  if (!result.success)
    refuse(
      result.error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => notOneOf('--slurm', key, Object.keys(slurmSchema.shape)))
          : [`--slurm: ${issue.path.map(String).join('.')}; ${issue.message.toLowerCase()}`],
      ),
    );
  return input as SlurmSettings;
};

/**
 * Checks what a sweep file exports.
 * @throws Fault with a line for each unknown key and each value of the wrong type
 */
export const checkSweep = (input: unknown): SweepInput => {
  const result = sweepSchema.safeParse(input);
  if (!result.success)
    refuse(
      result.error.issues.flatMap((issue) => {
        const path = issue.path.map(String);
        if (issue.code === 'unrecognized_keys')
          return issue.keys.map((key) => {
            const keys = Object.keys(path[0] === 'slurm' ? slurmSchema.shape : sweepSchema.shape);
            return `sweep: ${[...path, key].join('.')}; ${didYouMean(key, keys)}no such setting of a sweep`;
          });
        return [`sweep: ${path.join('.') || 'its default export'}; ${issue.message}`];
      }),
    );
  const { seeds = [] } = input as SweepInput;
  refuse(
    seeds.filter((seed, i) => seeds.indexOf(seed) !== i).map((seed) => `sweep: seeds; ${seed} stands twice`),
  );
  return input as SweepInput;
};
