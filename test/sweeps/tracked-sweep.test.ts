import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { ownServer, type RestRun, realServer, restHistory, restRuns } from '../tracking/rest.js';
import { bandalign, requireBuild, sweepPlace, sweepWords } from './built-sweep.js';

/** Epochs of the small sweep's UNet-LUTs. */
const epochs = 30;

describe.skipIf(!realServer)('a sweep tracked on an MLflow server that is killed twice', () => {
  beforeAll(requireBuild);

  it('ends with each run there once, and each point once', async () => {
    const folder = await sweepPlace();
    const server = await ownServer(5693);
    await server.start();
    const { address } = server;
    const words = sweepWords('--jobs', '2', '--set', `train.epochs=${epochs}`);
    const env = { MLFLOW_TRACKING_URI: address, BANDALIGN_TRACKING_PATIENCE: '5' };
    const sweep = bandalign(folder, words, env);
    for (const wait of [3000, 4000]) {
      await pause(wait);
      await server.kill();
      await pause(2000);
      await server.start();
    }
    sweep.kill('SIGKILL');
    await sweep.ended;
    const { code, stderr } = await bandalign(folder, [...words, '--resume'], env).ended;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('failed:')]);
    const synced = await bandalign(folder, ['track', 'sync', '--to', address]).ended;
    expect(synced.code).toBe(0);

    const runs = await restRuns(address, 'small');
    const tag = ({ data }: RestRun, key: string) => data.tags?.find((one) => one.key === key)?.value;
    expect(runs.map((run) => tag(run, 'mlflow.runName')).sort()).toEqual([
      'global-lut',
      'identity',
      'small',
      'tv-off-s1',
      'tv-off-s2',
      'tv-on-s1',
      'tv-on-s2',
    ]);
    const parent = runs.find((run) => tag(run, 'mlflow.runName') === 'small')!;
    for (const run of runs) {
      expect(run.info.status).toBe('FINISHED');
      const name = tag(run, 'mlflow.runName')!;
      if (run === parent) continue;
      expect(tag(run, 'mlflow.parentRunId')).toBe(parent.info.run_id);
      const isTrained = name.startsWith('tv');
      const result = JSON.parse(await readFile(join(folder, 'outputs/small', name, 'result.json'), 'utf8'));
      for (const key of [
        'train/loss',
        'train/lr',
        'val/rmse/blue',
        'test/rmse/blue',
        'system/disk_usage_percentage',
      ]) {
        const metrics = await restHistory(address, run.info.run_id, key);
        const steps = metrics.map(({ step }) => step).sort((a, b) => a - b);
        expect(new Set(steps).size).toBe(steps.length);
        if (key.startsWith('train'))
          expect(steps).toEqual(isTrained ? Array.from({ length: epochs }, (_, i) => i + 1) : []);
        if (key === 'test/rmse/blue') expect(metrics[0].value).toBe(result.scores.test.bands[0].rmse);
      }
    }
  }, 300_000);
});
