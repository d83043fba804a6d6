import type { Experiment } from '../config/schema.js';
import { evaluate, noResiduals, valueResiduals } from '../evaluation/evaluate.js';
import { poolTiles, type TileRecord } from '../evaluation/tile-record.js';
import { fileDigest, writeAtomic, writeJson } from '../files.js';
import type { Aligner } from '../models/aligner.js';
import { fitClosedForm, fitOracle } from '../models/fitted.js';
import type { Mapping } from '../ops/mapping.js';
import { startTensorflow } from '../ops/tensorflow.js';
import type { OnProgress } from '../progress.js';
import { loadAligner } from './aligner.js';
import { checkBatches } from './batches.js';
import { domainTensors, writeWeights } from './checkpoint.js';
import { mappingTensors } from './closed-form.js';
import { diskFault } from './disk-fault.js';
import { trainingDomain } from './domain.js';
import { describeEnvironment } from './environment.js';
import { type PreparedData, prepareData } from './prepare-data.js';
import { createFolder, type FolderOptions, inspectFolder } from './prepare-folder.js';
import type { RunResult } from './result.js';
import { type RunFolder, runFolder } from './run-folder.js';
import { withRunLock } from './run-lock.js';
import { abandonRun, beginRun } from './run-state.js';
import { recordSystem } from './system-metrics.js';
import { addTensors, trainUnetLut } from './train-unet-lut.js';

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

interface Fitted {
  parameters: number | null;
  training: RunResult['training'];
}

const fitMapping = async (experiment: Experiment, data: PreparedData, folder: RunFolder): Promise<Fitted> => {
  const mapping = fitClosedForm(experiment, data.sum(data.lists.train));
  await writeWeights(folder.best, experiment, mappingTensors(mapping), null);
  const values = mapping.form === 'lut' ? mapping.values.length : 2 * mapping.slope.length;
  return { parameters: experiment.model.kind === 'identity' ? 0 : values, training: null };
};

/** Scores one list; `mapping` gives each tile's. */
const score = (
  { experiment, onProgress, signal }: RunOptions,
  data: PreparedData,
  split: TileRecord['split'],
  model: Pick<Aligner, 'conv'> & { mapping: (tile: string) => Promise<Mapping> },
  residuals?: Parameters<typeof evaluate>[0]['residuals'],
): Promise<TileRecord[]> =>
  evaluate({
    data: experiment.data,
    split,
    patches: data.lists[split],
    read: data.read,
    mapping: model.mapping,
    conv: model.conv,
    residuals,
    onProgress,
    signal,
  });

/** Tests what was fitted on validation and test lists, and keeps the validation residuals with the weights. */
const scoreFitted = async (
  options: RunOptions,
  data: PreparedData,
  folder: RunFolder,
): Promise<TileRecord[]> => {
  const { experiment } = options;
  if (experiment.model.kind === 'oracle') {
    const oracle = {
      conv: null,
      mapping: async (tile: string) => fitOracle(experiment, data.sum(data.ofTile(tile))),
    };
    return [...(await score(options, data, 'val', oracle)), ...(await score(options, data, 'test', oracle))];
  }
  const aligner = await loadAligner(folder.best);
  const model = { conv: aligner.conv, mapping: (tile: string) => aligner.mapping(data.tileHistogram(tile)) };
  const residuals = noResiduals(experiment.data.bands.length * experiment.data.bins);
  const val = await score(options, data, 'val', model, residuals);
  const test = await score(options, data, 'test', model);
  await addTensors(
    folder.best,
    domainTensors(
      trainingDomain(experiment, data, data.lists.train),
      valueResiduals(residuals),
      experiment.data.bands.length,
    ),
  );
  return [...val, ...test];
};

/** What a call of {@link runExperiment} comes to. */
export interface RunOutcome {
  result: RunResult;
  folder: string;
  /** The run was finished before; nothing was done. */
  resumed: boolean;
}

const makeRun = async (options: RunOptions): Promise<RunOutcome> => {
  const { experiment, root, tag, onNote, signal } = options;
  const folder = runFolder(tag, options.outputDir);
  const started = performance.now();
  const finished = await inspectFolder(folder, experiment, options);
  if (finished) {
    onNote(`${tag}: already finished; nothing to do`);
    return { result: finished, folder: folder.folder, resumed: true };
  }
  if (experiment.model.kind === 'unet-lut') {
    const { name, device, why } = await startTensorflow(experiment.backend);
    onNote(`backend: ${name} on ${device} (${why})`);
  }
  const data = await prepareData(experiment, root, options);
  for (const note of data.notes) onNote(note);
  let stopSampling = (): void => {};
  try {
    if (experiment.model.kind === 'unet-lut') checkBatches(experiment, data.lists.train.length);
    await createFolder(folder, experiment, options);
    await writeJson(folder.environment, await describeEnvironment());
    const counts = {
      train: data.lists.train.length,
      val: data.lists.val.length,
      test: data.lists.test.length,
    };
    await beginRun(folder.folder, { root, digest: data.digest, ...counts });
    stopSampling = recordSystem(folder.system);
    options.onFolder?.(folder.folder);
    const { kind } = experiment.model;
    const fitted: Fitted =
      kind === 'unet-lut'
        ? await trainUnetLut(options, data, folder)
        : kind === 'oracle'
          ? { parameters: null, training: null }
          : await fitMapping(experiment, data, folder);
    const tiles = await scoreFitted(options, data, folder);
    signal?.throwIfAborted();
    await writeAtomic(folder.tiles, tiles.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const of = (split: string): TileRecord[] => tiles.filter((record) => record.split === split);
    const result: RunResult = {
      tag,
      name: experiment.name,
      kind,
      seed: experiment.seed,
      finished: new Date().toISOString(),
      seconds: (performance.now() - started) / 1000,
      data: {
        root,
        digest: data.digest,
        ...counts,
        skipped: data.skipped.length,
      },
      ...fitted,
      weights: kind === 'oracle' ? null : { file: folder.best, digest: await fileDigest(folder.best) },
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
 * Makes one run: prepares the data, fits, scores on validation and test lists, writes the run's folder (design: runs).
 * `result.json` comes last; until then `resume` continues.
 *
 * @throws Fault for bad input, a finished tag without `resume` or `overwrite`, a tag that another process is at, a loss that
 *   is not finite, a full disk
 */
export const runExperiment = async (options: RunOptions): Promise<RunOutcome> =>
  withRunLock(runFolder(options.tag, options.outputDir), () => makeRun(options), options.signal);
