import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { listRuns, readRun } from '../../src/training/list-runs.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-list-'));
});
afterEach(() => rm(folder, { recursive: true }));

const store = async (tag: string, text: string): Promise<void> => {
  await mkdir(join(folder, tag), { recursive: true });
  await writeFile(join(folder, tag, 'experiment.json'), text);
};

test('runs are listed though one of them cannot be read, which is told', async () => {
  const whole = JSON.stringify(resolveExperiment({}));
  await store('a', whole);
  await store('cut', whole.slice(0, 100));
  await store('sweep/one', whole);
  await store('sweep/older', JSON.stringify({ ...resolveExperiment({}), colour: 'red' }));
  const faults: string[] = [];
  const runs = await listRuns(folder, (text) => faults.push(text));
  expect(runs.map((run) => run.folder.tag)).toEqual(['a', 'sweep/one']);
  expect(faults.map((text) => /^run: (\S+); .* mend or remove it$/.exec(text)?.[1]).sort()).toEqual([
    'cut',
    'sweep/older',
  ]);
  await expect(readRun('cut', folder)).rejects.toThrow(/^run: cut; .*experiment\.json cannot be read/);
});
