import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { fileDigest } from '../../src/files.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { readSceneManifest, sceneManifest, writeSceneManifest } from '../../src/sweeps/scene-manifest.js';
import { bandalign, requireBuild, root } from './built-sweep.js';

beforeAll(requireBuild);

const weights = join(root, 'test/fixtures/parity/reference/epochs_0.pth');

/** A folder with scenes of some size, one file that is none, and a list of all. */
const scenePlace = async (count: number, size: number): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-scenes-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const names: string[] = [];
  for (let scene = 0; scene < count; scene++) {
    const random = seededRandom(`scene ${scene}`);
    const band = (k: number) =>
      Uint16Array.from({ length: size * size }, () => 1200 + 300 * k + Math.floor(400 * random.next()));
    names.push(`scene ${scene}.tif`);
    await writeGeoTiff(join(folder, names[scene]), {
      width: size,
      height: size,
      bands: [1, 2, 3, 8].map(band),
      nodata: 0,
    });
  }
  await writeFile(join(folder, 'broken.tif'), 'no tiff');
  await writeFile(join(folder, 'scenes.txt'), `${[names[0], 'broken.tif', ...names.slice(1)].join('\n')}\n`);
  return folder;
};

const words = (...more: string[]): string[] => [
  ...['apply', '--list', 'scenes.txt', '--weights', weights, '--out', 'out', '--boa-offset', '-1000'],
  ...more,
];

interface Document {
  done: number;
  kept: number;
  failed: number;
  scenes: { scene: string; status: string; faults: string[] }[];
}

/** Digests of the COGs and names of everything beside them. */
const outputs = async (folder: string) => {
  const names = (await readdir(join(folder, 'out'))).filter((name) => !name.endsWith('.list')).sort();
  const cogs = names.filter((name) => name.endsWith('.tif'));
  return { names, digests: await Promise.all(cogs.map((name) => fileDigest(join(folder, 'out', name)))) };
};

const workers = (folder: string): number[] =>
  execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('apply-listed') && !line.includes('ps -eo'))
    .map((line) => Number(line.trim().split(/\s+/)[0]))
    .filter((pid) => {
      try {
        return execFileSync('readlink', [`/proc/${pid}/cwd`], { encoding: 'utf8' }).trim() === folder;
      } catch {
        return false;
      }
    });

describe('a list of scenes', () => {
  it('gives the same scenes in processes, in this one, and again: one line each, failures apart', async () => {
    const folder = await scenePlace(3, 96);
    const first = await bandalign(folder, words('--jobs', '2', '--json')).ended;
    expect(first.code).toBe(1);
    const document = JSON.parse(first.stdout) as Document;
    expect(document).toMatchObject({ done: 3, kept: 0, failed: 1 });
    expect(document.scenes.map(({ scene, status }) => `${scene} ${status}`)).toEqual([
      'scene 0.tif done',
      'broken.tif failed',
      'scene 1.tif done',
      'scene 2.tif done',
    ]);
    expect(document.scenes[1].faults).toEqual([expect.stringMatching(/^raster: broken\.tif; /)]);
    const { names, digests } = await outputs(folder);
    expect(names.filter((name) => name.includes('broken') || name.includes('tmp'))).toEqual([]);
    expect(names).toContain('scene 2_aligned.json');

    const again = await bandalign(folder, words()).ended;
    expect(again.stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^kept {4}scene 0\.tif/),
      expect.stringMatching(/^kept {4}scene 1\.tif/),
      expect.stringMatching(/^kept {4}scene 2\.tif/),
      expect.stringMatching(/^failed {2}broken\.tif {2}raster: broken\.tif; /),
    ]);
    expect(again.stderr).toContain('1 of 4 failed; the same call tries them again');

    await rm(join(folder, 'out'), { recursive: true });
    const here = await bandalign(folder, words('--executor', 'debug', '--quiet')).ended;
    expect([here.code, here.stderr]).toEqual([1, '']);
    expect((await outputs(folder)).digests).toEqual(digests);
    // other weights' settings are another result
    const lut = await bandalign(folder, words('--set', 'model.conv=false', '--json')).ended;
    expect(JSON.parse(lut.stdout)).toMatchObject({ done: 3, kept: 0 });
  });

  it('ends with the same scenes after it and its processes were killed at random moments', async () => {
    const [calm, folder] = [await scenePlace(4, 700), await scenePlace(4, 700)];
    await bandalign(calm, words('--jobs', '2')).ended;
    const random = seededRandom('kills');
    let kills = 0;
    for (let round = 0; round < 12; round++) {
      const list = bandalign(folder, words('--jobs', '2'));
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
      for (const name of (await outputs(folder).catch(() => ({ names: [] as string[] }))).names)
        if (name.endsWith('_aligned.json')) {
          const item = JSON.parse(await readFile(join(folder, 'out', name), 'utf8'));
          const cog = join(folder, 'out', name.replace('.json', '.tif'));
          expect((await readFile(cog)).length).toBe(item.assets.aligned['file:size']);
        }
    }
    const last = await bandalign(folder, words('--jobs', '2', '--json')).ended;
    expect(JSON.parse(last.stdout)).toMatchObject({ failed: 1 });
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(await outputs(folder)).toEqual(await outputs(calm));
  }, 120_000);

  it('starts a killed process again, lets only one process at a list, and stops on SIGTERM', async () => {
    const folder = await scenePlace(3, 1400);
    const list = bandalign(folder, words());
    const end = Date.now() + 30_000;
    while (workers(folder).length === 0 && Date.now() < end) await pause(50);
    const other = await bandalign(folder, words()).ended;
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('another process is at it')]);
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
    const manifest = sceneManifest(requests, 'out', 'w.pth', { weightsDigest: 'ab' }, []);
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
        'bandalign: --executor: slrm; one of local, slurm, debug',
        'bandalign: --executor: without --list; leave it out',
        'bandalign: --jobs: without --list; leave it out',
        'bandalign: --jobs: 0; a positive integer',
      ],
    ]);
    const slurm = await bandalign(folder, words('--executor', 'slurm', '--slurm', 'tiem=3')).ended;
    expect([slurm.code, slurm.stderr]).toEqual([
      2,
      expect.stringMatching(/--slurm: tiem; one of partition, /),
    ]);
  });
});

const wanted = process.env['BANDALIGN_TEST_SLURM'] === '1';
if (!wanted) console.warn('scenes by Slurm: left out; set BANDALIGN_TEST_SLURM=1');

describe.skipIf(!wanted)('a list of scenes by a real Slurm', () => {
  let env: Record<string, string>;
  beforeAll(() => {
    const service = join(root, 'test/services/slurm.sh');
    const conf = execFileSync(service, ['start'], { encoding: 'utf8' }).trim();
    if (conf === '') throw new Error('test/services/slurm.sh gave no slurm.conf');
    env = { SLURM_CONF: conf, BANDALIGN_SLURM_POLL_SECONDS: '1' };
    return () => execFileSync(service, ['stop']);
  });

  it('gives the scenes of the local executor, also when it was killed in the middle', async () => {
    const [local, folder] = [await scenePlace(4, 500), await scenePlace(4, 500)];
    await bandalign(local, words('--jobs', '2')).ended;
    const call = words('--executor', 'slurm', '--slurm', 'perJob=1', '--json');
    const first = bandalign(folder, call, env);
    const end = Date.now() + 60_000;
    const events = () => readFile(join(folder, 'out/scenes.list/events.jsonl'), 'utf8').catch(() => '');
    while (!(await events()).includes('"finished"') && Date.now() < end) await pause(50);
    first.kill('SIGKILL');
    await first.ended;
    const { code, stdout } = await bandalign(folder, call, env).ended;
    const document = JSON.parse(stdout) as Document;
    expect([code, document.failed, document.done + document.kept]).toEqual([1, 1, 4]);
    expect(document.kept).toBeGreaterThanOrEqual(1);
    expect(document.scenes[1].faults).toEqual([expect.stringMatching(/^raster: broken\.tif; /)]);
    expect(await outputs(folder)).toEqual(await outputs(local));
    expect(existsSync(join(folder, 'out/scenes.list/logs/scene-0_aligned.log'))).toBe(true);
    const left = execFileSync('squeue', ['-h'], { encoding: 'utf8', env: { ...process.env, ...env } });
    expect(left.trim()).toBe('');
  }, 180_000);
});
