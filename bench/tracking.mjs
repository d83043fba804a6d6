// What tracking costs: `npm run build && node bench/tracking.mjs [SERVER [RUNS]]`. 200 runs × 1 000 points are recorded in a
// directory store; with the address of an MLflow server they are then synchronised to it, twice.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '../dist/tracking/mlflow/client.js';
import { serverSettings } from '../dist/tracking/mlflow/settings.js';
import { openTracker } from '../dist/tracking/open.js';
import { openDestination } from '../dist/tracking/sync/destination.js';
import { syncStore } from '../dist/tracking/sync/sync-store.js';

const [server, runs = '200'] = process.argv.slice(2);
const store = mkdtempSync(join(tmpdir(), 'bandalign-bench-'));
const experiment = `bench ${Date.now()}`;
const points = 1000 * Number(runs);

const record = async () => {
  const tracker = await openTracker({ env: {}, directory: store, onWarning: console.error });
  const started = performance.now();
  let calls = 0;
  for (let n = 0; n < Number(runs); n++) {
    const run = await tracker.startRun({ experiment: experiment, name: `run ${n}` });
    run.logParams({ model: { kind: 'unet-lut', conv: true }, seed: n });
    const before = performance.now();
    for (let epoch = 0; epoch < 200; epoch++)
      run.logMetrics(epoch, {
        loss: 1 / (epoch + 1),
        'rmse/blue': 90,
        'rmse/green': 80,
        'rmse/red': 70,
        'rmse/nir': 60,
      });
    calls += performance.now() - before;
    await run.end();
  }
  await tracker.close();
  const all = performance.now() - started;
  console.log(`record: ${((1000 * calls) / points).toFixed(2)} µs a point in the training loop`);
  console.log(`        ${((1000 * all) / points).toFixed(1)} µs a point with start, params, end and fsync`);
};

const bring = async () => {
  const destination = openDestination(
    createClient(serverSettings(server, process.env)),
    process.env,
    store,
    console.error,
  );
  for (const time of ['first', 'again']) {
    const before = process.cpuUsage();
    const result = await syncStore(destination, store);
    const { user, system } = process.cpuUsage(before);
    console.log(
      `sync (${time}): ${result.points} points and ${result.files} files of ${result.complete} runs in ${result.seconds.toFixed(1)} s, ${Math.round(result.points / result.seconds)} points/s; this process used ${((user + system) / 1e6).toFixed(1)} s of processor time`,
    );
  }
};

try {
  await record();
  if (server) await bring();
} finally {
  rmSync(store, { recursive: true, force: true });
}
