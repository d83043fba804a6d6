import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { runningProcesses } from '../processes.js';
import { bandalign, requireBuild, sweepPlace, sweepWords } from './built-sweep.js';

beforeAll(requireBuild);

const csv = (folder: string, name = 'small'): Promise<string> =>
  readFile(join(folder, 'results', `${name}.csv`), 'utf8');

/** Epochs that a trial's log holds, in its order. */
const loggedEpochs = async (folder: string, trial: string): Promise<number[]> =>
  (await readFile(join(folder, 'outputs/small', trial, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { epoch: number }).epoch);

/** Processes that run trials of a folder's sweep. */
const workers = (folder: string): number[] =>
  runningProcesses()
    .filter(({ words }) => words.includes('run-trial') && words.includes(folder))
    .map(({ pid }) => pid);

describe('bandalign sweep', () => {
  it('runs, is not run again, gives the same table by another executor, and refuses a changed configuration', async () => {
    const folder = await sweepPlace();
    const first = await bandalign(folder, sweepWords('--jobs', '2', '--json')).ended;
    expect(first.stderr).not.toContain('failed');
    expect(first.code).toBe(0);
    const document = JSON.parse(first.stdout);
    expect(document.finished).toHaveLength(6);
    expect(document.failed).toEqual([]);
    const table = await csv(folder);
    expect(table.split('\n')).toHaveLength(6);

    const result = join(folder, 'outputs/small/tv-on-s2/result.json');
    const written = (await stat(result)).mtimeMs;
    const again = await bandalign(folder, sweepWords('--resume')).ended;
    expect(again.code).toBe(0);
    expect((await stat(result)).mtimeMs).toBe(written);
    expect(await csv(folder)).toBe(table);

    const refused = await bandalign(folder, sweepWords()).ended;
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('6 of 6 runs finished; --resume'),
    ]);
    const changed = await bandalign(folder, sweepWords('--resume', '--set', 'train.epochs=4')).ended;
    expect(changed.code).toBe(2);
    expect(changed.stderr).toContain('train.epochs=3 (now 4) in');

    const debug = [
      '--executor',
      'debug',
      '--output-dir',
      'other',
      '--results',
      'other-results',
      '--no-track',
    ];
    expect((await bandalign(folder, sweepWords(...debug)).ended).code).toBe(0);
    expect(await readFile(join(folder, 'other-results/small.csv'), 'utf8')).toBe(table);

    const compared = await bandalign(folder, [
      'runs',
      'compare',
      'small',
      '--format',
      'csv',
      '--baseline',
      'global-lut',
    ]).ended;
    expect(compared.stdout.trimEnd()).toBe(table.trimEnd());
  });

  it('ends with the same table after its processes were killed at random moments', async () => {
    const calm = await sweepPlace();
    expect((await bandalign(calm, sweepWords('--jobs', '2')).ended).code).toBe(0);

    const folder = await sweepPlace();
    const random = seededRandom('kills');
    let kills = 0;
    for (let round = 0; round < 30; round++) {
      const sweep = bandalign(folder, sweepWords('--jobs', '2', '--resume'));
      let over = false;
      void sweep.ended.then(() => {
        over = true;
      });
      await pause(300 + 2500 * random.next());
      if (over) break;
      if (round % 3 === 2) {
        // a worker: the sweep starts it again
        for (const pid of workers(folder).slice(0, 1)) process.kill(pid, 'SIGKILL');
        await pause(300);
      }
      for (const pid of [sweep.pid, ...(round % 2 ? workers(folder) : [])])
        try {
          process.kill(pid, 'SIGKILL');
          kills++;
        } catch {
          // it had ended by itself
        }
      await sweep.ended;
    }
    const last = await bandalign(folder, sweepWords('--jobs', '2', '--resume')).ended;
    expect([last.code, kills]).toEqual([0, expect.toSatisfy((count: number) => count >= 4)]);
    expect(await csv(folder)).toBe(await csv(calm));
    expect(await csv(folder, 'small-statistics')).toBe(await csv(calm, 'small-statistics'));
    for (const trial of ['tv-off-s1', 'tv-off-s2', 'tv-on-s1', 'tv-on-s2'])
      expect(await loggedEpochs(folder, trial)).toEqual([1, 2, 3]);
  }, 180_000);

  it('starts a killed worker again and goes on', async () => {
    const folder = await sweepPlace();
    const sweep = bandalign(folder, sweepWords('--jobs', '1', '--seeds', '1'));
    let killed = false;
    const end = Date.now() + 30_000;
    while (!killed && Date.now() < end) {
      for (const pid of workers(folder)) {
        process.kill(pid, 'SIGKILL');
        killed = true;
      }
      await pause(50);
    }
    const { code, stderr } = await sweep.ended;
    expect([code, killed]).toEqual([0, true]);
    expect(stderr).toContain('killed by SIGKILL; it goes on from its last checkpoint');
  });

  it('isolates a failure, reports it at once, exits with 1, and tries it again on --resume', async () => {
    // a rate so large that the loss is soon not finite
    const folder = await sweepPlace(`{
      name: 'small',
      base: { model: { kind: 'unet-lut' }, train: { epochs: 3 } },
      grid: { 'train.lr': [1e-3, 1e30] },
      seeds: [1],
      references: [{ name: 'global-lut', model: { kind: 'global-lut' } }],
    }`);
    const { code, stderr, stdout } = await bandalign(folder, sweepWords('--jobs', '1', '--json')).ended;
    expect(code).toBe(1);
    const document = JSON.parse(stdout);
    expect(document.finished).toEqual(['small/global-lut', 'small/lr-0.001-s1']);
    expect(document.failed).toEqual([{ tag: 'lr-1e-30-s1', reasons: [expect.stringContaining('loss: ')] }]);
    expect(stderr).toMatch(/lr-1e-30-s1 failed: loss: /);
    expect(await readFile(join(folder, 'results/small.md'), 'utf8')).toContain('no run finished');
    expect((await bandalign(folder, sweepWords('--resume')).ended).code).toBe(1);
    const events = await readFile(join(folder, 'outputs/small/events.jsonl'), 'utf8');
    expect(events.split('\n').filter((line) => line.includes('"failed"'))).toHaveLength(2);
  });

  it('stops on SIGTERM with what is finished kept, and lets only one process at a sweep', async () => {
    const folder = await sweepPlace();
    const sweep = bandalign(folder, sweepWords('--jobs', '1', '--set', 'train.epochs=2000'));
    const end = Date.now() + 30_000;
    while (workers(folder).length === 0 && Date.now() < end) await pause(50);
    const other = await bandalign(folder, sweepWords('--resume', '--set', 'train.epochs=2000')).ended;
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('another process is running it');
    await pause(2500);
    sweep.kill('SIGTERM');
    const { code, stderr } = await sweep.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('--resume continues');
    expect(workers(folder)).toEqual([]);
  });

  it('lists runs and cost without running any', async () => {
    const folder = await sweepPlace();
    const { code, stdout } = await bandalign(folder, sweepWords('--dry-run', '--json', '--jobs', '2')).ended;
    expect(code).toBe(0);
    const { runs } = JSON.parse(stdout);
    expect(runs).toHaveLength(6);
    // 8 training patches in batches of 4, 3 epochs
    const own = runs.find(({ tag }: { tag: string }) => tag === 'tv-off-s1');
    expect(own).toMatchObject({ steps: 6, from: 'timed now', finished: false });
    expect(own.msPerStep).toBeGreaterThan(0);
    expect(await readdir(folder)).not.toContain('outputs');
  });

  it('tells of another sweep of its name, and counts the cost of this one all the same', async () => {
    const folder = await sweepPlace();
    expect((await bandalign(folder, sweepWords('--set', 'train.epochs=1', '--seeds', '1')).ended).code).toBe(
      0,
    );
    const { code, stdout, stderr } = await bandalign(folder, sweepWords('--dry-run', '--json')).ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('holds another sweep of this name')]);
    const { runs } = JSON.parse(stdout) as { runs: { finished: boolean }[] };
    expect(runs.filter(({ finished }) => finished)).toEqual([]);
  });

  it('refuses published values of rows that are not there', async () => {
    const folder = await sweepPlace();
    await writeFile(
      join(folder, 'paper.json'),
      '{ "nobody": { "RMSE blue": 1 }, "identity": { "RMSE blue": "x" } }',
    );
    const { code, stderr } = await bandalign(folder, sweepWords('--paper', 'paper.json')).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining('identity, RMSE blue; "x" is no number')]);
  });
});
