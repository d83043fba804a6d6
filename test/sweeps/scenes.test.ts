import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { readSceneManifest, sceneManifest, writeSceneManifest } from '../../src/sweeps/scene-manifest.js';
import { runningProcesses } from '../processes.js';
import { bandalign, requireBuild } from './built-sweep.js';
import { type ListDocument, listOutputs, listWords, scenePlace, weights } from './listed-scenes.js';

beforeAll(requireBuild);

const workers = (within: string): number[] =>
  runningProcesses()
    .filter(({ words, folder }) => words.includes('apply-listed') && folder === within)
    .map(({ pid }) => pid);

describe('a list of scenes', () => {
  it('gives the same scenes in processes, in this one, and again: one line each, failures apart', async () => {
    const folder = await scenePlace(3, 96);
    const first = await bandalign(folder, listWords('--jobs', '2', '--json')).ended;
    expect(first.code).toBe(1);
    const document = JSON.parse(first.stdout) as ListDocument;
    expect(document).toMatchObject({ done: 3, kept: 0, failed: 1 });
    expect(document.scenes.map(({ scene, status }) => `${scene} ${status}`)).toEqual([
      'scene 0.tif done',
      'broken.tif failed',
      'scene 1.tif done',
      'scene 2.tif done',
    ]);
    expect(document.scenes[1].faults).toEqual([expect.stringMatching(/^raster: broken\.tif; /)]);
    const { names, digests } = await listOutputs(folder);
    expect(names.filter((name) => name.includes('broken') || name.includes('tmp'))).toEqual([]);
    expect(names).toContain('scene 2_aligned.json');

    const again = await bandalign(folder, listWords()).ended;
    expect(again.stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^kept {4}scene 0\.tif/),
      expect.stringMatching(/^kept {4}scene 1\.tif/),
      expect.stringMatching(/^kept {4}scene 2\.tif/),
      expect.stringMatching(/^failed {2}broken\.tif {2}raster: broken\.tif; /),
    ]);
    expect(again.stderr).toContain('1 of 4 failed; the same call tries them again');

    await rm(join(folder, 'out'), { recursive: true });
    const here = await bandalign(folder, listWords('--executor', 'debug', '--quiet')).ended;
    expect([here.code, here.stderr]).toEqual([1, '']);
    expect((await listOutputs(folder)).digests).toEqual(digests);
    // other weights' settings are another result
    const lut = await bandalign(folder, listWords('--set', 'model.conv=false', '--json')).ended;
    expect(JSON.parse(lut.stdout)).toMatchObject({ done: 3, kept: 0 });
  });

  it('ends with the same scenes after it and its processes were killed at random moments', async () => {
    const [calm, folder] = [await scenePlace(4, 700), await scenePlace(4, 700)];
    await bandalign(calm, listWords('--jobs', '2')).ended;
    const random = seededRandom('kills');
    let kills = 0;
    for (let round = 0; round < 12; round++) {
      const list = bandalign(folder, listWords('--jobs', '2'));
      let over = false;
      void list.ended.then(() => {
        over = true;
      });
      await pause(400 + 1500 * random.next());
      if (over) break;
      const victims = round % 3 === 2 ? workers(folder) : [list.pid];
      for (const pid of victims)
        try {
          process.kill(pid, 'SIGKILL');
          kills++;
        } catch {
          // it had ended by itself
        }
      if (round % 3 === 2) list.kill('SIGKILL');
      await list.ended;
      // whatever has its name is whole: the item is written last, and names the size of its COG
      for (const name of (await listOutputs(folder).catch(() => ({ names: [] as string[] }))).names)
        if (name.endsWith('_aligned.json')) {
          const item = JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));
          const cog = join(folder, 'out', name.replace('.json', '.tif'));
          expect((await readFile(cog)).length).toBe(item.assets.aligned['file:size']);
        }
    }
    const last = await bandalign(folder, listWords('--jobs', '2', '--json')).ended;
    expect(JSON.parse(last.stdout)).toMatchObject({ failed: 1 });
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(await listOutputs(folder)).toEqual(await listOutputs(calm));
  }, 120_000);

  it('starts a killed process again, lets only one process at a list, and stops on SIGTERM', async () => {
    const folder = await scenePlace(1, 2600);
    const list = bandalign(folder, listWords());
    const end = Date.now() + 30_000;
    while (workers(folder).length === 0 && Date.now() < end) await pause(50);
    const other = await bandalign(folder, listWords()).ended;
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringContaining('another process is aligning it'),
    ]);
    for (const pid of workers(folder)) process.kill(pid, 'SIGKILL');
    while (!list.said().includes('it begins again') && Date.now() < end) await pause(50);
    expect(list.said()).toContain('killed by SIGKILL; it begins again (attempt 2)');
    await pause(500);
    list.kill('SIGTERM');
    const { code, stderr } = await list.ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('the same call goes on')]);
    expect(workers(folder)).toEqual([]);
  }, 60_000);

  it('keeps a nodata of NaN, and tags apart that would be one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bandalign-scenes-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const requests = ['a b.tif', 'a-b.tif', 'logs.tif'].map((name) => ({
      inputs: [name],
      out: join('out', name),
      nodata: Number.NaN,
    }));
    const manifest = sceneManifest(
      requests,
      'out',
      'w.pth',
      { weightsDigest: 'ab', experiment: resolveExperiment({}) },
      [],
    );
    expect(manifest.scenes.map(({ tag }) => tag)).toEqual(['a-b', 'a-b--2', 'logs--2']);
    await writeSceneManifest(join(folder, 'm.json'), manifest);
    expect(await readSceneManifest(join(folder, 'm.json'))).toEqual(manifest);
  });

  it('refuses settings that mean nothing', async () => {
    const folder = await scenePlace(0, 1);
    const call = [
      'apply',
      'x.tif',
      '--weights',
      weights,
      '--out',
      'o.tif',
      '--executor',
      'slrm',
      '--jobs',
      '0',
    ];
    const { code, stderr } = await bandalign(folder, call).ended;
    expect([code, stderr.trim().split('\n')]).toEqual([
      2,
      [
        'bandalign: --executor: slrm; did you mean slurm? one of local, slurm, debug',
        'bandalign: --executor: without --list; leave it out',
        'bandalign: --jobs: without --list; leave it out',
        'bandalign: --jobs: 0; a positive integer',
      ],
    ]);
    const slurm = await bandalign(folder, listWords('--executor', 'slurm', '--slurm', 'tiem=3')).ended;
    expect([slurm.code, slurm.stderr]).toEqual([
      2,
      expect.stringMatching(/--slurm: tiem; did you mean time\? one of partition, /),
    ]);
  });
});
