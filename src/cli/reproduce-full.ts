import { join } from 'node:path';
import { loadTyped } from '../experiments/load.js';
import { checkSweep, type SweepInput } from '../experiments/sweep.js';
import { modelOf } from '../models/index.js';
import { processors } from '../processors.js';
import { expandSweep } from '../sweeps/expand.js';
import { sweepFolder } from '../sweeps/manifest.js';
import { readSweep } from '../sweeps/sweep-tables.js';
import { isDone } from '../sweeps/trial-job.js';
import type { Call } from './command.js';
import { ensureSynthetic } from './ensure-synthetic.js';
import { type FullPart, writeFullTables } from './reproduce-full-tables.js';
import { clock } from './show-progress.js';

/** Datasets of other seeds beside the demo data, of so many tiles each. */
const otherSeeds = [7, 11, 23, 41, 99];
const otherTiles = 500;

/** A sweep, and the data that it runs on. */
interface Part {
  sweep: SweepInput;
  root: string;
  /** How the data are made where they are not there. */
  data?: { seed: number; tiles: number };
}

/** All sweeps in the order they run: the short ones first. */
const partsOf = async (root: string, outputDir: string): Promise<Part[]> => {
  const of = async (name: string): Promise<SweepInput> => checkSweep((await loadTyped(name)).value);
  const closed = await of('closed-forms');
  const seeds = otherSeeds.map((seed): Part => {
    const name = `seed-${seed}`;
    const data = { seed, tiles: otherTiles };
    return { sweep: { ...closed, name }, root: join(outputDir, 'datasets', name), data };
  });
  // a kernel's cost grows with the cube of the patches, and folds train on more of them than the lists do
  const [small] = seeds;
  return [
    { sweep: { ...closed, name: 'seed-demo' }, root },
    ...seeds,
    { ...small, sweep: await of('unseen-sites') },
    { ...small, sweep: await of('unseen-dates') },
    { sweep: await of('full'), root },
  ];
};

/** Prints what is left of a sweep; the seconds of training in it, on one core. */
const printCost = async (call: Call, { sweep, root }: Part, outputDir: string): Promise<number> => {
  const trials = await expandSweep(sweep);
  const place = sweepFolder(sweep.name, outputDir);
  const done = await Promise.all(trials.map((trial) => isDone(place, trial)));
  const left = trials.filter((_, i) => !done[i]);
  const trained = left.filter(({ experiment }) => modelOf(experiment).network);
  const { sweepCost } = await import('../sweeps/cost.js');
  const isFinished = async (): Promise<boolean> => false;
  const costs = await sweepCost(trained, root, { outputDir, isFinished, signal: call.signal });
  const seconds = costs.reduce((sum, cost) => sum + cost.seconds!, 0);
  const steps = costs.reduce((sum, cost) => sum + cost.steps, 0);
  const training =
    trained.length > 0
      ? `${trained.length} trainings of ${steps} steps in all (${clock(seconds)} on one core), `
      : '';
  call.print(
    `${sweep.name}: ${training}${left.length - trained.length} closed forms; ${trials.length - left.length} of ${trials.length} runs are finished`,
  );
  return seconds;
};

/**
 * Makes what is committed in `results/full`: says first what it takes here, then runs every sweep that is not finished, and
 * writes the tables of what there is. Killed at any time it goes on from the last checkpoints.
 *
 * @param minutes after so many it stops by itself and writes the tables of what is finished; 0 writes them at once
 * @throws Fault where runs failed
 */
export const reproduceFull = async (
  call: Call,
  {
    root,
    outputDir,
    results,
    minutes,
  }: { root: string; outputDir: string; results: string; minutes?: number },
): Promise<void> => {
  const jobs = processors();
  const parts = await partsOf(root, outputDir);
  const signal =
    minutes === undefined
      ? call.signal
      : AbortSignal.any([call.signal, AbortSignal.timeout(60_000 * minutes)]);
  if (minutes !== 0) {
    await ensureSynthetic(call, root);
    let seconds = 0;
    for (const part of parts) seconds += await printCost(call, part, outputDir);
    call.print(
      `training takes ${clock(seconds)} on one core of this machine as it is now, about ${clock(seconds / jobs)} on ${jobs}; closed forms take up to a minute each`,
    );
    const { runSweep } = await import('../sweeps/run-sweep.js');
    for (const { sweep, root, data } of parts) {
      if (signal.aborted) break;
      await ensureSynthetic(call, root, data);
      await runSweep({
        sweep,
        root,
        outputDir,
        resume: true,
        jobs,
        onProgress: call.progress,
        onNote: call.note,
        signal,
      }).catch((error) => {
        // its own time is up: what is finished is worth tables
        if (!signal.aborted || call.signal.aborted) throw error;
      });
    }
  }
  const stored: FullPart[] = [];
  for (const { sweep } of parts)
    stored.push({
      name: sweep.name,
      trials: (await expandSweep(sweep)).length,
      stored: await readSweep(sweep.name, outputDir),
    });
  const folder = join(results, 'full');
  await writeFullTables(stored, folder);
  call.print(`tables: ${folder}`);
  call.json({
    folder,
    sweeps: stored.map((part) => ({
      name: part.name,
      runs: part.trials,
      finished: part.stored?.runs.length ?? 0,
    })),
  });
};
