import { override } from '../config/override.js';
import { chosen } from '../config/spelling.js';
import { readPaperValues } from '../evaluation/paper-values.js';
import { loadTyped } from '../experiments/load.js';
import { checkSlurm, checkSweep, type SlurmSettings, type SweepInput } from '../experiments/sweep.js';
import { Fault } from '../fault.js';
import { processors } from '../processors.js';
import { executors } from '../sweeps/executor.js';
import { expandSweep } from '../sweeps/expand.js';
import { inspectSweep, sweepFolder } from '../sweeps/manifest.js';
import { sweepTables, writeSweepTables } from '../sweeps/sweep-tables.js';
import { readResult } from '../training/result.js';
import type { Call, Command } from './command.js';
import {
  dataOptions,
  destinationOf,
  flag,
  oneWord,
  outputOption,
  required,
  setOption,
  several,
  text,
  trackOption,
  whole,
} from './options.js';
import { clock } from './show-progress.js';

const seedsOf = (call: Call): number[] | undefined => {
  const given = text(call, 'seeds');
  if (given === undefined) return undefined;
  const seeds = given.split(',').map((word) => (/^\s*\d+\s*$/.test(word) ? Number(word) : Number.NaN));
  if (seeds.some((seed) => !(seed <= 0xffffffff)) || new Set(seeds).size < seeds.length)
    throw new Fault(`--seeds: ${given}; different whole numbers with commas between, such as 1,2,3`);
  return seeds;
};

const dryRun = async (call: Call, sweep: SweepInput, root: string, jobs: number): Promise<void> => {
  const outputDir = text(call, 'output-dir');
  const trials = await expandSweep(sweep, several(call, 'set'), seedsOf(call));
  const place = sweepFolder(sweep.name, outputDir);
  const { sweepCost } = await import('../sweeps/cost.js');
  // another sweep of this name is told, not refused: nothing is written
  const isAnother = await inspectSweep(place, trials, { resume: true }).then(
    () => false,
    (error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      call.note(`${place.folder} holds another sweep of this name: --overwrite, or another --output-dir`);
      return true;
    },
  );
  const costs = await sweepCost(trials, root, {
    divide: text(call, 'divide'),
    outputDir,
    signal: call.signal,
    isFinished: async (trial) => !isAnother && (await readResult(place.trial(trial).result)) !== null,
  });
  const width = Math.max(...trials.map(({ tag }) => tag.length));
  for (const { trial, finished, steps, msPerStep, from, seconds } of costs) {
    const cost =
      seconds === null
        ? 'closed form'
        : `${String(steps).padStart(8)} steps × ${msPerStep!.toFixed(1)} ms (${from}) = ${clock(seconds)}`;
    call.print(`${trial.tag.padEnd(width)}  ${finished ? 'finished' : cost}`);
  }
  const left = costs.filter(({ finished }) => !finished);
  const total = left.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  call.print(
    `${trials.length} runs, ${trials.length - left.length} finished; training takes ${clock(total)} in one process, about ${clock(total / Math.min(jobs, Math.max(1, left.length)))} in ${jobs}; packing and tests come on top`,
  );
  call.json({
    name: sweep.name,
    folder: place.folder,
    seconds: total,
    jobs,
    runs: costs.map(({ trial, ...cost }) => ({
      tag: trial.tag,
      label: trial.label,
      seed: trial.experiment.seed,
      ...cost,
    })),
  });
};

export const command: Command = {
  path: ['sweep'],
  words: 'SWEEP.ts',
  summary: 'run every configuration of a sweep with every seed, and write the table with its statistics',
  examples: [
    'sweep ablation --data dataset/demo --dry-run',
    'sweep ./my-sweep.ts --data DIR --jobs 4 --resume',
    'sweep ./my-sweep.ts --data DIR --executor slurm --slurm time=2:00:00 --slurm partition=cpu',
  ],
  options: {
    ...dataOptions,
    ...setOption,
    ...outputOption,
    ...trackOption,
    seeds: { type: 'string', value: 'N,N,…', help: "seeds instead of the sweep's own" },
    jobs: { type: 'string', value: 'N', help: 'processes at the same time (default: the cores)' },
    executor: { type: 'string', value: executors.join('|'), default: 'local', help: 'where trials run' },
    slurm: {
      type: 'string',
      multiple: true,
      value: 'KEY=VALUE',
      help: 'a Slurm setting, such as time=2:00:00, partition=cpu, parallel=16, perJob=4; repeatable',
    },
    resume: { type: 'boolean', help: 'continue: what is finished is not run again' },
    overwrite: { type: 'boolean', help: 'remove the sweep of this name first' },
    'dry-run': { type: 'boolean', help: 'list the runs and their cost, and stop' },
    'fail-fast': { type: 'boolean', help: 'stop at the first failure' },
    results: { type: 'string', value: 'DIR', default: 'results', help: 'folder of the tables' },
    paper: {
      type: 'string',
      value: 'FILE.json',
      help: 'published values to set beside: { row: { column: value } }',
    },
    draws: { type: 'string', value: 'N', default: '10000', help: 'bootstrap draws' },
  },
  run: async (call) => {
    const { path, value } = await loadTyped(oneWord(call, 'sweep file'), call.note);
    if (value === null || typeof value !== 'object')
      throw new Fault(`sweep: ${path}; its default export must be defineSweep({…})`);
    const sweep = checkSweep(value);
    const slurm = checkSlurm(override({} as SlurmSettings, several(call, 'slurm')));
    checkSweep({ ...sweep, slurm: { ...sweep.slurm, ...slurm } });
    const root = required(call, 'data');
    const jobs = whole(call, 'jobs', 1) ?? processors();
    const executor = chosen('--executor', text(call, 'executor')!, executors);
    const draws = whole(call, 'draws', 100);
    const paperFile = text(call, 'paper');
    const paper = paperFile === undefined ? undefined : await readPaperValues(paperFile);
    if (flag(call, 'dry-run')) return dryRun(call, sweep, root, jobs);
    const { runSweep } = await import('../sweeps/run-sweep.js');
    const result = await runSweep({
      sweep,
      root,
      divide: text(call, 'divide'),
      outputDir: text(call, 'output-dir'),
      words: several(call, 'set'),
      seeds: seedsOf(call),
      jobs,
      executor,
      slurm,
      resume: flag(call, 'resume'),
      overwrite: flag(call, 'overwrite'),
      failFast: flag(call, 'fail-fast'),
      destination: await destinationOf(call),
      onProgress: call.progress,
      onNote: call.note,
      signal: call.signal,
    });
    const { failed, unfinished } = result;
    const tables = result.runs.length > 0 ? sweepTables(result, { draws, paper }) : null;
    const files = tables ? await writeSweepTables(result.name, text(call, 'results')!, tables) : [];
    if (tables) call.table(tables.comparison);
    for (const file of files) call.print(`table: ${file}`);
    call.print(
      `${result.name}: ${result.runs.length} of ${result.manifest.trials.length} runs finished in ${result.folder}`,
    );
    call.json({
      name: result.name,
      folder: result.folder,
      fingerprint: result.manifest.fingerprint,
      finished: result.runs.map(({ folder }) => folder.tag),
      failed,
      unfinished,
      tables: files,
    });
    if (failed.length + unfinished.length > 0) {
      for (const { tag, reasons } of failed) call.note(`${tag} failed: ${reasons.join('; ')}`);
      if (unfinished.length > 0) call.note(`not run to the end: ${unfinished.join(', ')}; --resume goes on`);
      process.exitCode = 1;
    }
  },
};
