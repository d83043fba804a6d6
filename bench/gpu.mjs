// Both training steps on the graphics card beside PyTorch on the same card (eager, compiled, and the compiled step in a CUDA
// graph): `npm run build && node bench/gpu.mjs`. Batch 4 and 32 of 512² pixels, in turns, within four minutes; results/gpu.md
// names the card. Set up first what should be measured: `npm run setup:tensorflow`, `npm run setup:webgpu`, and a Python with
// PyTorch and NumPy (BENCH_PYTHON=…; GDAL is not needed). Without a card it says so and writes nothing. `--imitation`
// measures a driver that imitates one, or TensorFlow on the CPU, and prints what it found: a test of this script, no result.
// `--edge`, `--patches`, `--seconds`, `--batches` make it smaller, `--backend` and `--step lut|conv` measure one alone,
// `--host-unet` adds WebGPU with the UNet on the host. A row is printed as soon as it is measured; where a card was asked for
// by name and does not work, or the peer trains another model, it ends with 1.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveExperiment } from '../dist/experiments/experiment.js';
import { deviceStep, fitWeights, statisticsBatch } from '../dist/training/fit.js';
import { freshState, networkLayout } from '../dist/training/network.js';
import { openBackend, openStepper } from '../dist/training/open-stepper.js';
import { prepareData } from '../dist/training/prepare-data.js';
import { workingCopy } from '../dist/training/state.js';
import { describeMachine } from './machine.mjs';
import { makeData } from './make-data.mjs';
import { median, ratio, takeTurns } from './measure.mjs';
import { startPeer } from './peer.mjs';

const { values } = parseArgs({
  options: {
    imitation: { type: 'boolean' },
    edge: { type: 'string', default: '512' },
    patches: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '8' },
    backend: { type: 'string' },
    step: { type: 'string' },
    'host-unet': { type: 'boolean' },
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

/** Batches of rows without end, shuffled anew each time all were there. */
const batchesOf = function* (rows, batchSize) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (;;) {
    const order = [...rows];
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor((i + 1) * random());
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let i = 0; i + batchSize <= order.length; i += batchSize) yield order.slice(i, i + batchSize);
  }
};

/**
 * Turns of a training whose steps are whole on the card, pixels there as from the second epoch on: milliseconds a step, of
 * steps that are sent one behind the other, all losses read back. Null where the UNet runs on the host.
 */
const turnsOnDevice = async (backend, kind, batchSize, data) => {
  const experiment = experimentOf(kind, batchSize, 1, backend);
  const layout = networkLayout(experiment);
  const stepper = await openStepper(experiment, layout);
  const rows = data.lists.train.map(data.row);
  const source = { table: data.table, rows, histogram: data.patchHistogram, constants: {} };
  const device = await stepper.openDeviceTraining(source);
  if (!device) return null;
  const state = workingCopy(freshState(experiment, layout));
  device.load(state);
  const store = kind === 'conv' ? stepper.openPatches() : null;
  if (store) {
    const each = rows.map((row) => [row]);
    const brought = data.batches(store.plan(each))[Symbol.asyncIterator]();
    for (const one of each) await store.batch(one, async () => (await brought.next()).value);
  }
  const batches = batchesOf(rows, batchSize);
  const steps = values.imitation ? 2 : Math.max(24, Math.round(256 / batchSize));
  return {
    turn: async () => {
      const started = performance.now();
      for (let i = 0; i < steps; i++) {
        const batch = batches.next().value;
        const patches = store && (await store.batch(batch, async () => []));
        await deviceStep(experiment, device, state, batch, patches, 1e-3);
      }
      await device.settle();
      return (performance.now() - started) / steps;
    },
    dispose: () => {
      store?.dispose();
      device.dispose();
    },
  };
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

const hostUnet = (name) => `${name}, UNet on the host`;

/** A turn with the UNet on the host. */
const withHostUnet = (turn) => async () => {
  process.env.BANDALIGN_DEVICE_UNET = '0';
  try {
    return await turn();
  } finally {
    delete process.env.BANDALIGN_DEVICE_UNET;
  }
};

/** The forms of the peer that work there, by name. */
const peerForms = ({ compiles, card }) => ({
  eager: {},
  ...(compiles && { compiled: { compiled: true } }),
  ...(compiles && card && { 'CUDA graph': { graph: true } }),
});

const title = { lut: 'UNet-LUT', conv: 'UNet-LUT and conv module' };

/**
 * The peer of each line, a process each: all compile at the same time, while the data are made ready. `ready` resolves to
 * the forms that work, by name.
 */
const startPeers = async (raw, lines) =>
  Promise.all(
    lines.map(async ({ kind, batchSize }) => {
      const peer = await startPeer(say, { raw: true });
      if (!peer) return null;
      const { bandMax } = experimentOf('lut', batchSize).data;
      await peer.ask({ do: 'open', ...raw, bandMax, batch: batchSize, device: peer.device, raw: edge });
      const forms = peerForms(peer);
      const ready = peer
        .ask({ do: 'prepare', model: kind, forms })
        .then(({ forms: working }) => working.map((name) => [name, forms[name]]));
      ready.catch(() => {});
      return { peer, ready };
    }),
  );

/** @param keep is called with all rows after each that was measured */
const measure = async (folder, cards, keep) => {
  const root = join(folder, 'data');
  mkdirSync(root);
  say(`making ${patches} patches of ${edge}²`);
  await makeData(root, patches, edge);
  const data = await prepareData(experimentOf('conv', 4), root, { onProgress: () => {} });
  const lines = batchSizes.flatMap((batchSize) =>
    (values.step ? [values.step] : ['lut', 'conv']).map((kind) => ({ kind, batchSize })),
  );
  const raw = { root: join(folder, 'raw'), patches: writeRaw(join(folder, 'raw'), data) };
  say('compiling the peers');
  const peers = await startPeers(raw, lines);
  const [first] = peers;
  if (first && first.peer.device === 'cpu' && !values.imitation)
    say('PyTorch sees no card: it computes on the CPU');
  const rows = [];
  try {
    // compilation keeps all cores busy
    await Promise.all(peers.map((each) => each?.ready));
    for (const [i, { kind, batchSize }] of lines.entries()) {
      say(`batch ${batchSize}, ${kind}`);
      const peer = peers[i]?.peer ?? null;
      for (const { name } of peer ? cards : []) {
        const { loss, theta } = await firstLoss(name, kind, batchSize, data);
        const path = join(folder, 'theta.f32');
        writeFileSync(path, new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength));
        const other = await peer.ask({ do: 'loss', model: kind, theta: path });
        // cards round products to TF32
        if (!(Math.abs(other.loss - loss) <= 2e-3 * Math.abs(loss)))
          throw new Error(`the peer trains another model: ${kind} loss ${other.loss}, ${name} ${loss}`);
      }
      const contestants = { cpu: turnsOn('cpu', kind, batchSize, data) };
      const open = [];
      for (const { name } of cards) {
        const device = await turnsOnDevice(name, kind, batchSize, data);
        if (device) open.push(device);
        contestants[name] = device?.turn ?? turnsOn(name, kind, batchSize, data);
        if (values['host-unet'] && device && kind === 'conv')
          contestants[hostUnet(name)] = withHostUnet(turnsOn(name, kind, batchSize, data));
      }
      const steps = values.imitation ? 2 : Math.max(24, Math.round(256 / batchSize));
      for (const [name, how] of peer ? await peers[i].ready : [])
        contestants[name] = async () =>
          (await peer.ask({ do: 'steps', model: kind, memory: true, steps, ...how })).ms;
      const turns = await takeTurns(contestants, seconds);
      for (const device of open) device.dispose();
      await peer?.close();
      rows.push({ kind, batchSize, turns });
      const found = Object.entries(turns).map(([name, taken]) => `${name} ${median(taken).toFixed(2)} ms`);
      say(`${title[kind]}, batch ${batchSize}: ${found.join(', ')}`);
      keep(render(cards, { rows, peer: first?.peer ?? null }));
    }
  } finally {
    for (const each of peers) await each?.peer.close();
    await data.close();
  }
};

const render = (cards, { rows, peer }) => {
  const machine = describeMachine();
  const names = [...new Set(rows.flatMap(({ turns }) => Object.keys(turns)))];
  const forms = (peer ? Object.keys(peerForms(peer)) : []).filter((form) => names.includes(form));
  const own = names.filter((name) => !forms.includes(name));
  const ms = (turns, name) => (turns[name] ? median(turns[name]).toFixed(2) : '–');
  const cells = rows.map(({ kind, batchSize, turns }) => [
    `${title[kind]}, batch ${batchSize}`,
    ...names.map((name) => ms(turns, name)),
  ]);
  const ratios = rows.map(({ kind, batchSize, turns }) => [
    `${title[kind]}, batch ${batchSize}`,
    ...cards.flatMap(({ name }) =>
      forms.map((form) => (turns[form] ? `${ratio(turns[form], turns[name]).toFixed(2)}×` : '–')),
    ),
  ]);
  const line = (words) => `| ${words.join(' | ')} |`;
  const table = (header, body) => [
    line(header),
    line(header.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...body.map(line),
    '',
  ];
  const [first] = cards;
  const heads = names.map((name) => (forms.includes(name) ? `PyTorch, ${name}` : name));
  return [
    `# Training steps on ${peer?.card ?? first.device}`,
    '',
    ...(cards.every(({ isGpu }) => isGpu)
      ? []
      : ['**No graphics card was used here: this is a test of the script and no result.**', '']),
    `Patches of ${edge}² pixels and 4 bands, on the card before the first step; medians of ${rows.map(({ turns }) => turns.cpu.length).join(', ')} rounds in turns. ${own.includes('webgpu') ? 'A step of `webgpu` is whole on the card. ' : ''}PyTorch has its batches on the card, rounds products to TF32, and in a CUDA graph replays the compiled step.`,
    '',
    ...table(['ms a step', ...heads], cells),
    ...(forms.length > 0
      ? [
          'Faster than PyTorch (above 1×), medians over rounds:',
          '',
          ...table(
            ['', ...cards.flatMap(({ name }) => forms.map((form) => `${name} beside ${form}`))],
            ratios,
          ),
        ]
      : []),
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
    const path = fileURLToPath(new URL('../results/gpu.md', import.meta.url));
    const isResult = cards.every(({ isGpu }) => isGpu) && edge === 512 && !values.backend && !values.step;
    let table = '';
    await measure(folder, cards, (written) => {
      table = written;
      // line by line: what a card was lent for is kept
      if (isResult) writeFileSync(path, table);
    });
    process.stdout.write(table);
    if (isResult) say(`written: ${path}`);
  } finally {
    remove();
  }
};

await main();
// Dawn keeps the process alive
process.exit();
