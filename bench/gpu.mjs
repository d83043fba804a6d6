// Both training steps on the graphics card beside PyTorch on the same card: `npm run build && node bench/gpu.mjs`. Batch 4 and
// 32 of 512² pixels, in turns; results/gpu.md names the card. Set up first what should be measured: `npm run
// setup:tensorflow`, `npm run setup:webgpu`, and a Python with PyTorch and NumPy (BENCH_PYTHON=…; GDAL is not needed).
// Where PyTorch is to take one processor alone, run it under `taskset`: its threads wait for each other on a busy machine.
// Without a card it says so and writes nothing. `--imitation` measures a driver that imitates one, or TensorFlow on the CPU,
// and prints what it found: a test of this script, no result. `--edge`, `--patches`, `--seconds`, `--batches` make it smaller,
// `--backend` and `--step lut|conv` measure one alone. A row is printed as soon as it is measured; where a card was asked for
// by name and does not work, or the peer trains another model, it ends with 1.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveExperiment } from '../dist/experiments/experiment.js';
import { fitWeights, statisticsBatch } from '../dist/training/fit.js';
import { freshState, networkLayout } from '../dist/training/network.js';
import { openBackend, openStepper } from '../dist/training/open-stepper.js';
import { prepareData } from '../dist/training/prepare-data.js';
import { describeMachine } from './machine.mjs';
import { makeData } from './make-data.mjs';
import { median, ratio, takeTurns } from './measure.mjs';
import { startPeer } from './peer.mjs';

const { values } = parseArgs({
  options: {
    imitation: { type: 'boolean' },
    edge: { type: 'string', default: '512' },
    patches: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '20' },
    backend: { type: 'string' },
    step: { type: 'string' },
    batches: { type: 'string', default: '4,32' },
  },
});
const [edge, patches, seconds] = ['edge', 'patches', 'seconds'].map((name) => Number(values[name]));
const batchSizes = values.batches.split(',').map(Number);
const say = (text) => process.stderr.write(`${text}\n`);

/** The published recipe with its losses, without validation. */
const experimentOf = (kind, batchSize, epochs = 1, backend = 'cpu') =>
  resolveExperiment({
    backend,
    model: { kind: 'unet-lut', conv: kind === 'conv' },
    loss: { tv: 0.01, monotonicity: 0.01 },
    train: { epochs, batchSize, validateEvery: 1_000_000, checkpointEvery: 1_000_000 },
  });

/** The backends that compute on a card. */
const findCards = async () => {
  const found = [];
  for (const name of values.backend ? [values.backend] : ['tensorflow', 'webgpu']) {
    try {
      const { device, version, isGpu } = await openBackend(experimentOf('conv', 4, 1, name));
      if (isGpu || values.imitation) found.push({ name, device, version, isGpu });
      else say(`${name}: ${device}; no graphics card`);
    } catch (error) {
      if (values.backend) throw error;
      say(error.message);
    }
  }
  return found;
};

/** Decoded pixels as the peer reads them. */
const writeRaw = (folder, data) => {
  mkdirSync(folder);
  return data.lists.train.map((patch, i) => {
    const pixels = data.read(patch);
    for (const kind of ['source', 'target', 'mask']) {
      const { buffer, byteOffset, byteLength } = pixels[kind];
      writeFileSync(join(folder, `${i}.${kind}`), new Uint8Array(buffer, byteOffset, byteLength));
    }
    return String(i);
  });
};

/** The loss of the first batch at fresh weights, and these weights. */
const firstLoss = async (backend, kind, batchSize, data) => {
  const experiment = experimentOf(kind, batchSize, 1, backend);
  const layout = networkLayout(experiment);
  const { theta, running } = freshState(experiment, layout);
  const rows = data.lists.train.slice(0, batchSize).map(data.row);
  const pixels = kind === 'conv' ? (await data.batches([rows])[Symbol.asyncIterator]().next()).value : null;
  const batch = {
    histograms: rows.map(data.patchHistogram),
    statistics: pixels ? null : statisticsBatch(data.table, rows),
    pixels,
  };
  const stepper = await openStepper(experiment, layout);
  const { loss } = await stepper.gradient({ theta, running, constants: {} }, batch, 'batch', 0);
  return { loss, theta };
};

/**
 * Turns of a training on one backend: milliseconds a step. The first epoch of a turn brings the pixels to the card and does
 * not count, as it is one of 200 in a training.
 */
const turnsOn = (backend, kind, batchSize, data) => {
  const layout = networkLayout(experimentOf(kind, batchSize));
  let state = freshState(experimentOf(kind, batchSize), layout);
  const perEpoch = Math.ceil(data.lists.train.length / batchSize);
  const epochs = Math.ceil(8 / perEpoch);
  return async () => {
    const stepper = await openStepper(experimentOf(kind, batchSize, 1, backend), layout);
    const first = state.epoch + 1;
    const taken = [];
    state = await fitWeights({
      experiment: experimentOf(kind, batchSize, state.epoch + 1 + epochs, backend),
      stepper,
      constants: {},
      table: data.table,
      rows: data.lists.train.map(data.row),
      histogram: data.patchHistogram,
      pixels: kind === 'conv' ? data.batches : null,
      validate: async () => ({ mse: 0, rmse: [] }),
      state,
      onEpoch: async (_, record) => {
        if (record.epoch > first) taken.push(record.seconds);
      },
      onProgress: () => {},
    });
    return (1000 * taken.reduce((sum, each) => sum + each, 0)) / (taken.length * perEpoch);
  };
};

const title = { lut: 'UNet-LUT', conv: 'UNet-LUT and conv module' };

const measure = async (folder, cards) => {
  const root = join(folder, 'data');
  mkdirSync(root);
  say(`making ${patches} patches of ${edge}²`);
  await makeData(root, patches, edge);
  const data = await prepareData(experimentOf('conv', 4), root, { onProgress: () => {} });
  const peer = await startPeer(say, { raw: true });
  if (peer && peer.device === 'cpu' && !values.imitation) say('PyTorch sees no card: it computes on the CPU');
  const rows = [];
  try {
    const raw = peer && { root: join(folder, 'raw'), patches: writeRaw(join(folder, 'raw'), data) };
    for (const batchSize of batchSizes) {
      const { bandMax } = experimentOf('lut', batchSize).data;
      if (peer)
        await peer.ask({ do: 'open', ...raw, bandMax, batch: batchSize, device: peer.device, raw: edge });
      for (const kind of values.step ? [values.step] : ['lut', 'conv']) {
        say(`batch ${batchSize}, ${kind}`);
        for (const { name } of peer ? cards : []) {
          const { loss, theta } = await firstLoss(name, kind, batchSize, data);
          const path = join(folder, 'theta.f32');
          writeFileSync(path, new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength));
          const other = await peer.ask({ do: 'loss', model: kind, theta: path });
          // cards round products to TF32
          if (!(Math.abs(other.loss - loss) <= 2e-3 * Math.abs(loss)))
            throw new Error(`the peer trains another model: ${kind} loss ${other.loss}, ${name} ${loss}`);
        }
        const contestants = Object.fromEntries(
          ['cpu', ...cards.map(({ name }) => name)].map((name) => [
            name,
            turnsOn(name, kind, batchSize, data),
          ]),
        );
        if (peer)
          contestants.peer = async () =>
            (await peer.ask({ do: 'steps', model: kind, memory: true, steps: 16 })).ms;
        const turns = await takeTurns(contestants, seconds);
        rows.push({ kind, batchSize, turns });
        const found = Object.entries(turns).map(([name, taken]) => `${name} ${median(taken).toFixed(1)} ms`);
        say(`${title[kind]}, batch ${batchSize}: ${found.join(', ')}`);
      }
    }
  } finally {
    peer?.close();
    await data.close();
  }
  return { rows, peer };
};

const render = async (cards, { rows, peer }) => {
  const machine = describeMachine();
  const names = ['cpu', ...cards.map(({ name }) => name), ...(peer ? ['peer'] : [])];
  const heads = names.map((name) => (name === 'peer' ? `PyTorch, ${peer.card ?? peer.device}` : name));
  const against = peer ? names.filter((name) => name !== 'peer') : [];
  const cells = rows.map(({ kind, batchSize, turns }) => [
    `${title[kind]}, batch ${batchSize}`,
    ...names.map((name) => median(turns[name]).toFixed(1)),
    ...against.map((name) => `${ratio(turns.peer, turns[name]).toFixed(2)}×`),
  ]);
  const header = ['ms a step', ...heads, ...against.map((name) => `${name} beside PyTorch`)];
  const line = (words) => `| ${words.join(' | ')} |`;
  const [first] = cards;
  return [
    `# Training steps on ${peer?.card ?? first.device}`,
    '',
    ...(cards.every(({ isGpu }) => isGpu)
      ? []
      : ['**No graphics card was used here: this is a test of the script and no result.**', '']),
    'A step from statistics (UNet-LUT alone) reads no pixel and runs on the host whatever the backend; with the conv module the UNet runs on the host and the pixels stay on the card.',
    '',
    `Patches of ${edge}² pixels and 4 bands, on the card from the second epoch on; medians of ${rows.map(({ turns }) => turns.cpu.length).join(', ')} rounds in turns. Above 1× is faster than PyTorch.`,
    '',
    line(header),
    line(header.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...cells.map(line),
    '',
    ...cards.map(({ name, device, version }) => `- ${name}: ${version}; ${device}`),
    `- cpu: fused kernels on ${machine.cpu}, ${machine.cores} cores; Node ${machine.node}; load ${machine.loadAverage.toFixed(1)}`,
    peer ? `- PyTorch ${peer.torch} on ${peer.card ?? peer.device}` : '- no PyTorch here to compare with',
    '',
  ].join('\n');
};

const main = async () => {
  const cards = await findCards();
  if (cards.length === 0) return say('no graphics card can be used here: nothing measured, nothing written');
  const folder = mkdtempSync(join(tmpdir(), 'bandalign-bench-'));
  process.env.BANDALIGN_CACHE = join(folder, 'cache');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      remove();
      process.exit(130);
    });
  try {
    const table = await render(cards, await measure(folder, cards));
    process.stdout.write(table);
    if (cards.every(({ isGpu }) => isGpu) && edge === 512 && !values.backend && !values.step) {
      const path = fileURLToPath(new URL('../results/gpu.md', import.meta.url));
      writeFileSync(path, table);
      say(`written: ${path}`);
    }
  } finally {
    remove();
  }
};

await main();
// Dawn keeps the process alive
process.exit();
