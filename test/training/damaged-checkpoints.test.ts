import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';
import { fileDigest } from '../../src/files.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { makeRun, type RunOptions } from '../../src/training/run.js';
import { runFolder } from '../../src/training/run-folder.js';

const root = fileURLToPath(new URL('../fixtures/parity/data', import.meta.url));
const experiment = resolveExperiment({
  model: { unet: { width: 4, depth: 2 } },
  train: { epochs: 6, validateEvery: 2, checkpointEvery: 1, keep: 3 },
});

let outputDir: string;
const folderOf = (tag: string) => runFolder(tag, outputDir);
const run = (tag: string, more: Partial<RunOptions> = {}) =>
  makeRun({ experiment, root, tag, outputDir, onProgress: () => {}, onNote: () => {}, ...more });

/** Names and digests of a run's checkpoints. */
const checkpointsOf = async (tag: string) => {
  const { checkpoints } = folderOf(tag);
  const names = (await readdir(checkpoints)).sort();
  return Promise.all(names.map(async (name) => [name, await fileDigest(join(checkpoints, name))]));
};

/** Flips one bit of a weight. */
const damage = async (path: string): Promise<void> => {
  const bytes = await readFile(path);
  bytes[bytes.length - 6] ^= 4;
  await writeFile(path, bytes);
};

beforeAll(async () => {
  outputDir = await mkdtemp(join(tmpdir(), 'bandalign-damaged-'));
  process.env['BANDALIGN_CACHE'] = join(outputDir, 'cache');
  await run('whole');
  const controller = new AbortController();
  const stopped = run('stopped', {
    signal: controller.signal,
    onProgress: ({ note }) => {
      if (note?.startsWith('epoch 6/')) controller.abort(new Error('stop'));
    },
  });
  await expect(stopped).rejects.toThrow('stop');
});
afterAll(() => rm(outputDir, { recursive: true, force: true }));

const copyOfStopped = async (tag: string) => {
  await cp(folderOf('stopped').folder, folderOf(tag).folder, { recursive: true });
  return folderOf(tag);
};

test.each([
  ['the last checkpoint', 'last', ({ last }) => [last], 5],
  ['the last two', 'last-two', ({ last, epoch }) => [last, epoch(5)], 4],
  // made at epoch 4 or 2, so the run goes back to the checkpoint of that epoch or one before
  ['the best weights', 'best', ({ best }) => [best], null],
] as [string, string, (folder: ReturnType<typeof runFolder>) => string[], number | null][])(
  'where %s are damaged a run goes on from a whole one, says so, and ends with the same bytes',
  async (_, tag, damagedOf, from) => {
    const folder = await copyOfStopped(tag);
    const damaged = damagedOf(folder);
    for (const path of damaged) await damage(path);
    const notes: string[] = [];
    await run(tag, { resume: true, onNote: (text) => notes.push(text) });
    const note = notes.find((text) => text.startsWith('checkpoint: '));
    expect(note).toContain(`${damaged.join(', ')}; damaged, the run goes on from epoch ${from ?? ''}`);
    expect(await checkpointsOf(tag)).toEqual(await checkpointsOf('whole'));
  },
);

test('where none is whole a run is not continued, and each is named', async () => {
  const { checkpoints } = await copyOfStopped('none');
  const names = await readdir(checkpoints);
  for (const name of names) await damage(join(checkpoints, name));
  const error: unknown = await run('none', { resume: true }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Fault);
  for (const name of names) expect((error as Fault).message).toContain(name);
});

test('a damaged checkpoint is no weights to predict with', async () => {
  const { last } = await copyOfStopped('predict');
  await loadAligner(last);
  await damage(last);
  await expect(loadAligner(last)).rejects.toThrow(/last\.safetensors; damaged.*SHA-256/);
});
