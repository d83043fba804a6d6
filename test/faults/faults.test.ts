import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { openCache } from '../../src/dataset/cache.js';
import { openCacheFile } from '../../src/dataset/cache-file.js';
import { openDataset } from '../../src/dataset/layout.js';
import type { ExperimentInput } from '../../src/experiments/experiment.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';
import { digest, writeJson } from '../../src/files.js';
import { readResult } from '../../src/training/result.js';
import { makeRun } from '../../src/training/run.js';
import { readSafetensors } from '../../src/training/safetensors.js';
import { type Failure, withFailure } from './file-layer.js';

/** Failures tried of each kind of work; the calls are drawn with a fixed seed. BANDALIGN_FAULTS=all tries every call. */
const drawn = process.env['BANDALIGN_FAULTS'] === 'all' ? Number.POSITIVE_INFINITY : 8;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
let folder: string;
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-faults-'));
  root = join(folder, 'data');
  cpSync(here('../fixtures/parity/data'), root, { recursive: true });
});
afterAll(async () => {
  delete process.env['BANDALIGN_CACHE'];
  await rm(folder, { recursive: true });
});

const filesOf = async (at: string): Promise<string[]> =>
  (await readdir(at, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** Makes the owner of every lock one that is no more: what a killed process would leave. */
const buryOwners = async (at: string): Promise<void> => {
  for (const path of await filesOf(at))
    if (/lock(\.after-\w+)?$/.test(path)) {
      const owner = JSON.parse(await readFile(path, 'utf8')) as object;
      await writeFile(path, JSON.stringify({ ...owner, began: '1' }));
    }
};

/** Everything of a run or a cache but times: path beneath `at` → digest. */
const contentsOf = async (at: string): Promise<Record<string, string>> => {
  const contents: Record<string, string> = {};
  for (const path of await filesOf(at)) {
    const name = path.slice(at.length + 1);
    if (/(environment|inputs)\.json$/.test(name)) continue;
    // of a process that could not remove it, or was killed: it holds nobody up
    if (/lock(\.\w+\.socket)?$/.test(name)) continue;
    const bytes = await readFile(path);
    const isText = /\.jsonl?$/.test(name);
    contents[name] = digest(
      isText
        ? bytes
            .toString()
            .replace(/"(seconds|finished|time|created|id|stepsPerSecond)": ?("[^"]*"|[\d.e+-]+)/g, '"$1":0')
            .replaceAll(at, '')
        : bytes,
    );
  }
  return contents;
};

/** Whatever has its final name is whole. */
const checkWhole = async (at: string): Promise<void> => {
  for (const path of await filesOf(at)) {
    if (path.endsWith('.safetensors')) await readSafetensors(path);
    else if (path.endsWith('.bin')) {
      const opened = await openCacheFile(path);
      expect(opened, path).not.toBeNull();
      await opened?.file.close();
    } else if (path.endsWith('.json') && !path.endsWith('result.json'))
      JSON.parse(await readFile(path, 'utf8'));
    else if (path.endsWith('result.json')) {
      const result = await readResult(path);
      expect(result, path).not.toBeNull();
      expect(digest(await readFile(result!.weights!.file))).toBe(result!.weights!.digest);
    }
  }
};

const train =
  (input: ExperimentInput) =>
  async (at: string): Promise<void> => {
    await makeRun({
      experiment: resolveExperiment(input),
      root,
      tag: 'run',
      outputDir: join(at, 'outputs'),
      resume: true,
      onProgress: () => {},
      onNote: () => {},
    });
  };

const works: [string, (at: string) => Promise<void>][] = [
  [
    'packing',
    async () => {
      const { data } = resolveExperiment({});
      const dataset = await openDataset(root, data);
      const all = dataset.all.slice(0, 4);
      await (await openCache({ dataset: { all }, data, knots: 16, pixels: true })).close();
    },
  ],
  ['a linear run', train({ model: { kind: 'linear' } })],
  [
    'training',
    train({
      model: { kind: 'unet-lut', unet: { width: 2, depth: 2 } },
      train: { epochs: 3, validateEvery: 1, checkpointEvery: 1, keep: 2 },
    }),
  ],
];

describe.each(works)('%s', (name, work) => {
  let expected: Record<string, string>;
  let calls: number;

  const attempt = async (at: string, n: number, failure: Failure) => {
    process.env['BANDALIGN_CACHE'] = join(at, 'cache');
    return withFailure(at, n, failure, () => work(at));
  };

  beforeAll(async () => {
    const at = join(folder, 'work');
    await rm(at, { recursive: true, force: true });
    await mkdir(at);
    const whole = await attempt(at, Number.POSITIVE_INFINITY, 'EIO');
    expect(whole.error).toBeNull();
    expected = await contentsOf(at);
    calls = whole.calls;
    expect(calls).toBeGreaterThan(20);
    await rm(at, { recursive: true });
  }, 120_000);

  test.each(['ENOSPC', 'EIO', 'kill'] as const)(
    '%s at any call leaves the old or the new, whole; the next run ends with the same bytes',
    async (failure) => {
      const random = seededRandom(2022, `${name} ${failure}`);
      const every = Array.from({ length: calls }, (_, n) => n);
      const chosen = drawn >= calls ? every : random.shuffled(every).slice(0, drawn);
      for (const n of chosen) {
        const at = join(folder, 'work');
        await rm(at, { recursive: true, force: true });
        await mkdir(at);
        const { error } = await attempt(at, n, failure);
        const where = `${failure} at call ${n} of ${calls}`;
        // a person can do something about a full disk: it is no fault of ours
        if (error !== null && failure !== 'kill') expect(error, where).toBeInstanceOf(Fault);
        if (failure === 'kill') await buryOwners(at);
        await checkWhole(at);
        expect((await attempt(at, Number.POSITIVE_INFINITY, 'EIO')).error, where).toBeNull();
        expect(await contentsOf(at), where).toEqual(expected);
        await rm(at, { recursive: true });
      }
    },
    240_000,
  );
});

test('the layer fails the call that it is told', async () => {
  const at = join(folder, 'layer');
  const write = () => writeJson(join(at, 'a', 'b.json'), { a: 1 });
  const { calls } = await withFailure(at, Number.POSITIVE_INFINITY, 'EIO', write);
  expect(calls).toBeGreaterThanOrEqual(5);
  await rm(at, { recursive: true });
  for (let n = 0; n < calls; n++) {
    const { error } = await withFailure(at, n, 'ENOSPC', write);
    // flushing a folder is as good as the file system can
    if (error === null) continue;
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect(await filesOf(at)).toEqual([]);
  }
});
