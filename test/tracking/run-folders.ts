import { createHash } from 'node:crypto';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExperimentInput } from '../../src/experiments/experiment.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';

/** What a fabricated run is. */
export interface FabricatedRun {
  /** Lines of `metrics.jsonl`. */
  epochs?: number;
  experiment?: ExperimentInput;
  /** `running` leaves the result out, as a killed process does. */
  status?: 'finished' | 'failed' | 'running';
  /** More numbers of each epoch. */
  values?: Record<string, unknown>;
}

const started = Date.parse('2026-11-01T08:00:00Z');
const iso = (ms: number): string => new Date(started + ms).toISOString();

/** The loss that a fabricated run logs at an epoch. */
export const lossAt = (epoch: number): number => 1000 / epoch;

/** Appends epochs to a run's log, from `from` to `to`, as training does. */
export const logEpochs = async (
  folder: string,
  from: number,
  to: number,
  values: Record<string, unknown> = {},
): Promise<void> => {
  const lines = Array.from({ length: to - from + 1 }, (_, i) => {
    const epoch = from + i;
    const val = epoch % 5 === 0 ? { val: { mse: 2 * lossAt(epoch), rmse: [1, 2, 3, 4] } } : {};
    const record = { epoch, step: 4 * epoch, loss: lossAt(epoch), lr: 1e-3, ...values, ...val };
    return `${JSON.stringify({ ...record, time: iso(1000 * epoch) })}\n`;
  });
  await appendFile(join(folder, 'metrics.jsonl'), lines.join(''));
};

/** Writes the result of a run, which ends it. */
export const finish = async (folder: string, tag: string, epochs: number): Promise<void> => {
  const band = (rmse: number) => ({ n: 100, rmse, r2: 0.9, mae: rmse / 2, bias: -1 });
  const score = { n: 100, bands: [1, 2, 3, 6].map(band), ndvi: { ...band(0.05), skipped: 0 } };
  const data = { root: '/data/demo', digest: 'd'.repeat(64), train: 3, val: 2, test: 2, skipped: 0 };
  await writeFile(
    join(folder, 'result.json'),
    JSON.stringify({
      ...{ tag, name: tag, kind: 'unet-lut', seed: 1, finished: iso(1e6), seconds: 12, data, parameters: 7 },
      training: { epochs, steps: 4 * epochs, bestEpoch: epochs, trainMse: 1 },
      weights: { file: 'best', digest: 'x' },
      scores: { val: score, test: score },
    }),
  );
};

/** Makes a run's folder as training leaves it. The same tag in the same place is the same run. */
export const fabricateRun = async (
  outputs: string,
  tag: string,
  { epochs = 20, experiment = {}, status = 'finished', values }: FabricatedRun = {},
): Promise<string> => {
  const folder = join(outputs, tag);
  await mkdir(join(folder, 'checkpoints'), { recursive: true });
  const json = (name: string, value: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(value));
  await json('experiment.json', resolveExperiment(experiment));
  await json('environment.json', { version: '0.1.0', git: null, argv: ['train', tag], started: iso(0) });
  await json('run.json', {
    id: createHash('md5').update(folder).digest('hex'),
    created: iso(0),
    user: 'me',
    data: { root: '/data/demo', digest: 'd'.repeat(64), train: 3, val: 2, test: 2 },
    ended: status === 'failed' ? { status, at: iso(5e5), reason: 'loss: not finite' } : null,
  });
  await writeFile(join(folder, 'checkpoints/best.safetensors'), 'weights');
  await writeFile(join(folder, 'tiles.jsonl'), '{"split":"test","tile":"a","region":"North","bands":[]}\n');
  await logEpochs(folder, 1, epochs, values);
  if (status === 'finished') await finish(folder, tag, epochs);
  return folder;
};
