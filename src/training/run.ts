import { noResiduals, valueResiduals } from '../evaluation/evaluate.js';
import { poolTiles, type TileRecord } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { fileDigest, writeAtomic, writeJson } from '../files.js';
import { checkMetrics } from '../metrics/index.js';
import { modelOf } from '../models/index.js';
import type { OnProgress } from '../progress.js';
import { addTensors, domainTensors, writeWeights } from './checkpoint.js';
import { diskFault } from './disk-fault.js';
import { trainingDomain } from './domain.js';
import { describeEnvironment } from './environment.js';
import { fittedMapping, loadAligner } from './load-weights.js';
import { openBackend } from './open-stepper.js';
import { fitInputOf, type PreparedData, prepareData } from './prepare-data.js';
import { createFolder, type FolderOptions, inspectFolder } from './prepare-folder.js';
import type { RunResult } from './result.js';
import { type RunFolder, runFolder } from './run-folder.js';
import { withRunLock } from './run-lock.js';
import { abandonRun, beginRun } from './run-state.js';
import { scoreList } from './score.js';
import { recordSystem } from './system-metrics.js';
import { checkTraining, trainNetwork } from './train-network.js';

/** What a run is made of. */
export interface RunOptions extends FolderOptions {
  experiment: Experiment;
  /** The dataset's folder. */
  root: string;
  divide?: string;
  tag: string;
  outputDir?: string;
  /** Called when the run's folder has been made, an old one removed: from now on it grows. */
  onFolder?: (folder: string) => void;
  onProgress: OnProgress;
  onNote: (text: string) => void;
  signal?: AbortSignal;
}

/** What a call of {@link makeRun} comes to. */
export interface RunOutcome {
  result: RunResult;
  folder: string;
  /** The run was finished before; nothing was done. */
  resumed: boolean;
}

interface Fitted {
  /** What a model in closed form keeps; null for a network, whose weights are its checkpoints. */
  fitted: unknown;
  parameters: number | null;
  training: RunResult['training'];
}

const fitModel = async (options: RunOptions, data: PreparedData, folder: RunFolder): Promise<Fitted> => {
  const { experiment } = options;
  const model = modelOf(experiment);
  if (model.network) return { fitted: null, ...(await trainNetwork(experiment, data, folder, options)) };
  const fitted = await model.fit!(fitInputOf(experiment, data));
  const tensors = model.tensors?.(fitted);
  if (!tensors) return { fitted, parameters: null, training: null };
  await writeWeights(folder.best, experiment, tensors, null);
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  return { fitted, parameters: model.parameters?.(fitted) ?? values, training: null };
};

/** Tests what was fitted on validation and test lists, and keeps the validation residuals with the weights. */
const score = async (
  options: RunOptions,
  data: PreparedData,
  folder: RunFolder,
  { fitted }: Fitted,
  hasWeights: boolean,
): Promise<TileRecord[]> => {
  const { experiment } = options;
  // what was written is what is scored
  const scored = hasWeights
    ? await loadAligner(folder.best)
    : { experiment, conv: null, mapping: fittedMapping(experiment, fitted) };
  const bands = experiment.data.bands.length;
  const residuals = noResiduals(bands * experiment.data.bins);
  const val = await scoreList(scored, data, 'val', { ...options, residuals });
  const test = await scoreList(scored, data, 'test', options);
  if (hasWeights) {
    const domain = trainingDomain(experiment, data, data.lists.train);
    await addTensors(folder.best, domainTensors(domain, valueResiduals(residuals), bands));
  }
  return [...val, ...test];
};

const work = async (options: RunOptions): Promise<RunOutcome> => {
  const { experiment, root, tag, onNote, signal } = options;
  const folder = runFolder(tag, options.outputDir);
  const started = performance.now();

  // what was there before
  const finished = await inspectFolder(folder, experiment, options);
  if (finished) {
    onNote(`${tag}: already finished; nothing to do`);
    return { result: finished, folder: folder.folder, resumed: true };
  }

  // what can be refused before anything is read
  const model = modelOf(experiment);
  checkMetrics();
  if (model.network) {
    const { name, device, why } = await openBackend(experiment);
    onNote(`backend: ${name} on ${device} (${why})`);
  }

  // data
  const data = await prepareData(experiment, root, options);
  for (const note of data.notes) onNote(note);
  let stopSampling = (): void => {};
  try {
    if (model.network) checkTraining(experiment, data.lists.train.length);

    // folder
    await createFolder(folder, experiment, options);
    await writeJson(folder.environment, await describeEnvironment());
    const source = {
      root,
      digest: data.digest,
      train: data.lists.train.length,
      val: data.lists.val.length,
      test: data.lists.test.length,
    };
    await beginRun(folder.folder, source);
    stopSampling = recordSystem(folder.system);
    options.onFolder?.(folder.folder);

    // fit
    const fitted = await fitModel(options, data, folder);
    const hasWeights = model.network !== undefined || model.tensors !== undefined;

    // score
    const tiles = await score(options, data, folder, fitted, hasWeights);
    signal?.throwIfAborted();
    await writeAtomic(folder.tiles, tiles.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const of = (split: string): TileRecord[] => tiles.filter((record) => record.split === split);

    // result, last
    const result: RunResult = {
      tag,
      name: experiment.name,
      kind: experiment.model.kind,
      seed: experiment.seed,
      finished: new Date().toISOString(),
      seconds: (performance.now() - started) / 1000,
      data: { ...source, skipped: data.skipped.length },
      parameters: fitted.parameters,
      training: fitted.training,
      weights: hasWeights ? { file: folder.best, digest: await fileDigest(folder.best) } : null,
      scores: { val: poolTiles(of('val')), test: poolTiles(of('test')) },
    };
    await writeJson(folder.result, result);
    return { result, folder: folder.folder, resumed: false };
  } catch (error) {
    const fault = diskFault(error, folder);
    await abandonRun(folder.folder, fault, signal?.aborted === true);
    throw fault;
  } finally {
    stopSampling();
    await data.close();
  }
};

/**
 * Makes one run and its folder: the whole of `runExperiment` but for the copy that goes to a server.
 *
 * @throws Fault for bad input, a finished tag without `resume` or `overwrite`, a tag that another process is writing, a
 *   loss that is not finite, a full disk
 */
export const makeRun = async (options: RunOptions): Promise<RunOutcome> =>
  withRunLock(runFolder(options.tag, options.outputDir), () => work(options), options.signal);
