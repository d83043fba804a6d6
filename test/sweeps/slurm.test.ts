import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type BatchScript,
  batchScript,
  shellWord,
  submitWords,
} from '../../src/sweeps/slurm/batch-script.js';
import { isSubmitLimit, parseAccounting, parseQueue } from '../../src/sweeps/slurm/commands.js';
import { groupTasks } from '../../src/sweeps/slurm/group-tasks.js';
import { bandalign, requireBuild, root, sweepPlace, sweepWords } from './built-sweep.js';
import { type ListDocument, listOutputs, listWords, scenePlace } from './listed-scenes.js';

const script: BatchScript = {
  name: 'ablation',
  cwd: '/home/me/work',
  folder: '/home/me/work/outputs/ablation/slurm',
  home: '/home/me/work/outputs/ablation',
  tasks: '/home/me/work/outputs/ablation/slurm/array-0001.tasks',
  count: 40,
  parallel: 16,
  program: '/usr/bin/node',
  words: [
    '/opt/bandalign/dist/cli/main.js',
    'run-trial',
    '--manifest',
    '/home/me/work/outputs/ablation/manifest.json',
  ],
  milestone: { files: '*.safetensors', what: 'epoch', resumesFrom: 'from the last checkpoint' },
  settings: {},
};

const odd: BatchScript = {
  ...script,
  name: 'odd',
  cwd: "/data/it's 100% mine",
  folder: "/data/it's 100% mine/slurm",
  home: "/data/it's 100% mine/odd",
  tasks: "/data/it's 100% mine/slurm/array-0001.tasks",
  settings: {
    partition: 'cpu,long',
    account: 'rs-42',
    qos: 'low',
    constraint: 'avx2&ib',
    time: '1-00:00:00',
    mem: '4G',
    cpus: 4,
    signalSeconds: 120,
    options: ['--nice=100', '--exclude=node[1-3]'],
  },
};

describe('batchScript', () => {
  it.each([
    ['plain', script],
    ['odd', odd],
  ])('writes %s as in the golden file, and bash takes it', async (name, input) => {
    const text = batchScript(input);
    await expect(text).toMatchFileSnapshot(join(root, `test/sweeps/golden/${name}.sh`));
    execFileSync('bash', ['-n'], { input: text });
  });

  it('lets nothing of a path or a name into a line that sbatch reads', () => {
    const evil = 'o\ntouch x #\n#SBATCH --wrap="touch y"';
    const text = batchScript({
      ...odd,
      name: evil,
      cwd: `/${evil}`,
      folder: `/${evil}/slurm`,
      home: `/${evil}`,
      tasks: `/${evil}/slurm/array-0001.tasks`,
    });
    // sbatch reads up to the first command
    const read = text.slice(0, text.indexOf('\ncd '));
    expect(
      read.split('\n').filter((line) => !/^#SBATCH --[a-z-]+=|^#!|^#SBATCH --requeue$|^$/.test(line)),
    ).toEqual([]);
    expect(read).toContain('--job-name=bandalign-o-touch-x-SBATCH---wrap-touch-y\n');
    // and what bash makes of the rest is one word for each path
    const words = execFileSync('bash', ['-c', `cd() { printf '%s' "$1"; exit; }\n${text}`], {
      encoding: 'utf8',
    });
    expect(words).toBe(`/${evil}`);
    expect(() => submitWords(`/${evil}/slurm`, 'c')).toThrow(
      /^--executor slurm: \/o\\x0atouch x .*; Slurm takes no backslashes or line breaks in a path/,
    );
    expect(submitWords("/data/it's 100% mine/slurm", 'a b')).toEqual([
      '--comment=a b',
      "--output=/data/it's 100%% mine/slurm/%A_%a.log",
    ]);
  });

  it.each([
    [{ partition: 'cpu\n#SBATCH --wrap=x' }, /^slurm\.partition: cpu\\x0a#SBATCH/],
    [{ account: '"x' }, /^slurm\.account: "x; no quotes/],
    [{ options: ['--nice=1\ntouch x'] }, /^slurm\.options: /],
  ])('refuses settings that would be more than a setting: %j', (settings, message) => {
    expect(() => batchScript({ ...script, settings })).toThrow(message);
  });

  it('keeps words whole, whatever is in them', () => {
    for (const word of ["it's", 'a b', '$HOME', '`x`', 'é', '*', '"', '\\', ''])
      expect(execFileSync('bash', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word);
  });
});

describe('slurm', () => {
  it('reads squeue and sacct', () => {
    expect([...parseQueue('12_0|RUNNING|/a/b.tasks#12\n 12_1|PENDING|(null)\n\n')]).toEqual([
      ['12_0', { state: 'RUNNING', comment: '/a/b.tasks#12' }],
      ['12_1', { state: 'PENDING', comment: '(null)' }],
    ]);
    expect([...parseAccounting('12_0|CANCELLED by 0\n12_1|OUT_OF_MEMORY\n')]).toEqual([
      ['12_0', 'CANCELLED'],
      ['12_1', 'OUT_OF_MEMORY'],
    ]);
  });

  it('knows the refusals that pass with time', () => {
    expect(
      isSubmitLimit(
        new Error(
          'sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user’s size and/or time limits)',
        ),
      ),
    ).toBe(true);
    expect(isSubmitLimit(new Error('sbatch: error: invalid partition specified: x'))).toBe(false);
  });

  it('groups short tasks, and gives those of unknown cost a job of their own', () => {
    const seconds = (known: number | null) => (task: number) => (task < 3 ? 20 : known);
    const tasks = [0, 1, 2, 3, 4, 5];
    expect(groupTasks(tasks, seconds(null))).toEqual([[0, 1, 2], [3], [4], [5]]);
    expect(groupTasks(tasks, seconds(300))).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
    expect(groupTasks(tasks, seconds(null), 4)).toEqual([
      [0, 1, 2, 3],
      [4, 5],
    ]);
  });
});

const wanted = process.env['BANDALIGN_TEST_SLURM'] === '1';
if (!wanted)
  console.warn(
    'slurm: left out; set BANDALIGN_TEST_SLURM=1 to run them on a Slurm that test/services/slurm.sh starts',
  );

describe.skipIf(!wanted)('a real Slurm', () => {
  let env: Record<string, string>;
  beforeAll(() => {
    requireBuild();
    const conf = execFileSync(join(root, 'test/services/slurm.sh'), ['start'], { encoding: 'utf8' }).trim();
    if (conf === '') throw new Error('test/services/slurm.sh gave no slurm.conf');
    env = { SLURM_CONF: conf, BANDALIGN_SLURM_POLL_SECONDS: '1' };
    return () => execFileSync(join(root, 'test/services/slurm.sh'), ['stop']);
  });

  const slurm = (...words: string[]): string =>
    execFileSync(words[0], words.slice(1), { encoding: 'utf8', env: { ...process.env, ...env } });
  const csv = (folder: string): Promise<string> => readFile(join(folder, 'results/small.csv'), 'utf8');
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    const end = Date.now() + 60_000;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error('it did not come true within 60 s');
      await pause(100);
    }
  };

  it('gives the same table as the local executor, each trial tracked once, with its log', async () => {
    const [folder, local] = [await sweepPlace(), await sweepPlace()];
    const { code, stderr } = await bandalign(folder, sweepWords('--executor', 'slurm'), env).ended;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('failed')]);
    expect((await bandalign(local, sweepWords()).ended).code).toBe(0);
    expect(await csv(folder)).toBe(await csv(local));
    expect(await readFile(join(folder, 'outputs/small/logs/tv-on-s2.log'), 'utf8')).toContain('training');
  });

  it('takes up the jobs of a submission that was killed, and cancels on SIGTERM', async () => {
    const folder = await sweepPlace();
    const words = sweepWords('--executor', 'slurm', '--set', 'train.epochs=3000', '--slurm', 'perJob=1');
    const first = bandalign(folder, words, env);
    await until(() => /RUNNING/.test(slurm('squeue', '-h', '-r', '-o', '%i %T')));
    first.kill('SIGKILL');
    await first.ended;
    const queued = slurm('squeue', '-h', '-r', '-o', '%i').trim().split('\n').length;
    const second = bandalign(folder, [...words, '--resume'], env);
    await until(() => second.said().includes('taken up'));
    await pause(2000);
    expect(slurm('squeue', '-h', '-r', '-o', '%i').trim().split('\n').length).toBeLessThanOrEqual(queued);
    second.kill('SIGTERM');
    const { code, stderr } = await second.ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('taken up')]);
    await until(() => slurm('squeue', '-h', '-t', 'RUNNING,PENDING,COMPLETING').trim() === '');
  });

  it('goes on from the checkpoint after the time limit was near, and after a worker was killed', async () => {
    const folder = await sweepPlace();
    const set = ['--set', 'train.epochs=200', '--seeds', '1', '--slurm', 'perJob=1'];
    const sweep = bandalign(folder, sweepWords('--executor', 'slurm', ...set), env);
    const log = () => readFile(join(folder, 'outputs/small/tv-off-s1/metrics.jsonl'), 'utf8').catch(() => '');
    await until(async () => (await log()).split('\n').length > 10);
    const job = slurm('squeue', '-h', '-r', '-t', 'RUNNING', '-o', '%i').trim().split('\n');
    // what Slurm itself sends when the limit is near
    for (const id of job) slurm('scancel', '--batch', '--signal=USR1', id);
    await until(async () => /time limit near/.test(await logsOf(folder)));
    await until(async () => (await log()).split('\n').length > 40);
    execFileSync('pkill', ['-KILL', '-f', `run-trial.*${folder}`]);
    const { code, stderr } = await sweep.ended;
    expect(code).toBe(0);
    expect(stderr).toContain('goes on from its last checkpoint');
    const epochs = (await log())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).epoch);
    expect(epochs).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  }, 180_000);

  it('aligns a list of scenes as the local executor does, also when it was killed in the middle', async () => {
    const [local, folder] = [await scenePlace(4, 500), await scenePlace(4, 500)];
    await bandalign(local, listWords('--jobs', '2')).ended;
    const call = listWords('--executor', 'slurm', '--slurm', 'perJob=1', '--json');
    const first = bandalign(folder, call, env);
    const end = Date.now() + 60_000;
    const events = () => readFile(join(folder, 'out/scenes.list/events.jsonl'), 'utf8').catch(() => '');
    while (!(await events()).includes('"finished"') && Date.now() < end) await pause(50);
    first.kill('SIGKILL');
    await first.ended;
    const { code, stdout } = await bandalign(folder, call, env).ended;
    const document = JSON.parse(stdout) as ListDocument;
    expect([code, document.failed, document.done + document.kept]).toEqual([1, 1, 4]);
    expect(document.kept).toBeGreaterThanOrEqual(1);
    expect(document.scenes[1].faults).toEqual([expect.stringMatching(/^raster: broken\.tif; /)]);
    expect(await listOutputs(folder)).toEqual(await listOutputs(local));
    expect(existsSync(join(folder, 'out/scenes.list/logs/scene-0_aligned.log'))).toBe(true);
    const left = execFileSync('squeue', ['-h'], { encoding: 'utf8', env: { ...process.env, ...env } });
    expect(left.trim()).toBe('');
  }, 180_000);

  it('tells of a failure by the words of the trial, and of a bad setting by those of sbatch', async () => {
    const folder = await sweepPlace();
    const words = sweepWords('--executor', 'slurm', '--seeds', '1');
    const bad = await bandalign(folder, [...words, '--slurm', 'partition=nowhere'], env).ended;
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringMatching(/sbatch: .*invalid partition/i)]);
    const { code, stderr } = await bandalign(folder, [...words, '--overwrite', '--set', 'train.lr=1e30'], env)
      .ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/tv-off-s1 failed: loss: /)]);
  });
});

const logsOf = async (folder: string): Promise<string> => {
  const at = join(folder, 'outputs/small/slurm');
  const names = (await readdir(at)).filter((name) => name.endsWith('.log'));
  return (await Promise.all(names.map((name) => readFile(join(at, name), 'utf8')))).join('');
};
