// What tracking costs: `node bench/tracking.mjs [--server URI] [list] [second] [points] [pace]`, all by default. `list` and `pace`
// need no server; `second` and `points` a real one that may be filled (test/services/mlflow.sh start).
import { execFile } from 'node:child_process';
import { cpSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { describeMachine } from './machine.mjs';
import { median, takeTurns } from './measure.mjs';

const { values, positionals } = parseArgs({
  options: {
    server: { type: 'string', default: process.env.BANDALIGN_TEST_MLFLOW },
    epochs: { type: 'string', default: '400' },
    seconds: { type: 'string', default: '40' },
  },
  allowPositionals: true,
});
const wanted = new Set(positionals.length > 0 ? positionals : ['list', 'second', 'points', 'pace']);
const main = new URL('../dist/cli/main.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'bandalign-tracking-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const name = `bench ${Date.now().toString(36)}`;
const env = { ...process.env, BANDALIGN_CACHE: join(folder, 'cache'), MLFLOW_EXPERIMENT_NAME: name };
delete env.MLFLOW_TRACKING_URI;
const hook = join(folder, 'cpu.mjs');
writeFileSync(
  hook,
  `process.on('exit', () => { const { user, system } = process.cpuUsage(); process._rawDebug('cpu', (user + system) / 1e6); });`,
);
/** Runs a command: what it says, and its seconds, by the clock and of its own process. */
const bandalign = async (words, more = {}) => {
  const started = performance.now();
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', hook, main, ...words], {
    ...{ cwd: folder, env: { ...env, ...more }, maxBuffer: 2 ** 28 },
  });
  const wall = (performance.now() - started) / 1000;
  return { stdout, wall, cpu: Number(/cpu ([\d.]+)\s*$/.exec(stderr)[1]) };
};
const show = (taken) =>
  `${median(taken.map(({ wall }) => wall)).toFixed(2)} s (${median(taken.map(({ cpu }) => cpu)).toFixed(2)} s of CPU)`;

await bandalign(['dataset', 'synth', 'data', '--tiles', '4', '--patches', '2', '--size', '64']);
await bandalign(['train', 'unet-lut', '--data', 'data', '--tag', 'one', '--set', 'train.epochs=5']);

/** Copies of the run that was just trained, each a run of its own; with so many epochs in its log. */
const makeRuns = (outputs, count, epochs) => {
  const one = join(folder, 'outputs', 'one');
  const lines = readFileSync(join(one, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const last = JSON.parse(lines.at(-1));
  for (let run = 0; run < count; run++) {
    const path = join(folder, outputs, `run-${run}`);
    mkdirSync(path, { recursive: true });
    for (const file of ['experiment.json', 'environment.json', 'tiles.jsonl'])
      cpSync(join(one, file), join(path, file));
    if (epochs > 0) {
      mkdirSync(join(path, 'checkpoints'));
      linkSync(join(one, 'checkpoints/best.safetensors'), join(path, 'checkpoints/best.safetensors'));
    }
    const state = JSON.parse(readFileSync(join(one, 'run.json'), 'utf8'));
    const id = Buffer.from(`${outputs} ${run}`.padEnd(16)).toString('hex').slice(0, 32);
    writeFileSync(join(path, 'run.json'), JSON.stringify({ ...state, id }));
    const result = JSON.parse(readFileSync(join(one, 'result.json'), 'utf8'));
    writeFileSync(join(path, 'result.json'), JSON.stringify({ ...result, tag: `run-${run}` }));
    const log = Array.from({ length: epochs }, (_, i) =>
      JSON.stringify({ ...last, epoch: i + 1, step: 4 * (i + 1) }),
    );
    writeFileSync(join(path, 'metrics.jsonl'), epochs > 0 ? `${log.join('\n')}\n` : `${lines.join('\n')}\n`);
  }
};

/** Points a second of calls that send a thousand each, one after the other, and nothing else. */
const bareLoop = async (total) => {
  const post = async (path, body) => {
    const answer = await fetch(`${values.server}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { experiment_id } = await post('experiments/create', { name: `${name} bare ${performance.now()}` });
  const { run } = await post('runs/create', { experiment_id, start_time: Date.now() });
  const started = performance.now();
  for (let sent = 0; sent < total; sent += 1000) {
    const metrics = Array.from({ length: 1000 }, (_, i) => ({
      key: `train/${i % 8}`,
      value: Math.random(),
      timestamp: Date.now(),
      step: (sent + i) >> 3,
    }));
    await post('runs/log-batch', { run_id: run.info.run_id, metrics });
  }
  return (1000 * total) / (performance.now() - started);
};

/** A server that is one fault, and the address of one that is away. */
const faultyServer = (status) =>
  new Promise((done) => {
    const server = createServer((request, answer) => {
      request.resume();
      request.on('end', () => answer.writeHead(status, { 'Retry-After': '0' }).end('no'));
    }).listen(0, '127.0.0.1', () =>
      done({ address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }),
    );
    server.unref();
  });

/** CPU seconds of a training's process while its copy goes to `uri`. */
const trainingSeconds = async (uri, epochs) => {
  const words = ['train', 'unet-lut', '--data', 'data', '--tag', 'pace', '--overwrite', '--quiet'];
  const tracking = uri === null ? {} : { MLFLOW_TRACKING_URI: uri, BANDALIGN_TRACKING_PATIENCE: '1' };
  return (await bandalign([...words, '--set', `train.epochs=${epochs}`], tracking)).cpu;
};

const say = (text) => console.log(text);
say(JSON.stringify(describeMachine()));
if (wanted.has('list')) {
  makeRuns('many', 10_000, 0);
  const taken = await takeTurns(
    { list: () => bandalign(['runs', 'list', '--output-dir', 'many', '--json']) },
    1,
  );
  say(`runs list, 10 000 runs: ${show(taken.list)}`);
}
if (wanted.has('second')) {
  makeRuns('hundred', 100, 20);
  const words = ['track', 'sync', 'hundred', '--to', values.server];
  say(`track sync, 100 runs: ${show([await bandalign(words)])}`);
  const taken = await takeTurns(
    { again: () => bandalign(words), version: () => bandalign(['--version']) },
    1,
  );
  say(`track sync again: ${show(taken.again)}, of it the program's start ${show(taken.version)}`);
}
if (wanted.has('points')) {
  // 8 numbers an epoch, of which 5 come from the validation
  makeRuns('long', 5, 4000);
  const { stdout } = await bandalign(['track', 'sync', 'long', '--to', values.server]);
  say(stdout.trim());
  say(`a bare loop of log-batch: ${Math.round(await bareLoop(50_000))} points a second`);
}
if (wanted.has('pace')) {
  const epochs = Number(values.epochs);
  const [slow, broken] = [await faultyServer(429), await faultyServer(500)];
  const places = { none: null, away: 'http://127.0.0.1:9', 429: slow.address, 500: broken.address };
  if (values.server) places.there = values.server;
  const contestants = Object.fromEntries(
    Object.entries(places).map(([place, uri]) => [place, () => trainingSeconds(uri, epochs)]),
  );
  const taken = await takeTurns(contestants, Number(values.seconds));
  for (const place of Object.keys(places))
    say(
      `training, ${epochs} epochs, server ${place}: ${median(taken[place]).toFixed(2)} CPU s, ${(100 * (median(taken[place].map((value, round) => value / taken.none[round])) - 1)).toFixed(1)} %`,
    );
}
