// How time and memory grow with the number of patches, up to the published dataset's 16 915:
// `npm run build && node bench/scaling.mjs [--json] [--sizes 500,1000] [--whole]`. `--whole` really trains the paper's 200
// epochs instead of five of them.
// Each line is a process of its own, so that its peak of resident memory is its own.
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { residentBytes } from '../dist/engine/cpu/statistics-training.js';
import { drawPixels, makeData, shapeOf } from './make-data.mjs';

/** Patches of the paper's training list, and its epochs. */
const paper = { patches: 4383, epochs: 200 };
/** Pixels are packed for so many patches at most: 16 915 would take 5 GB even at 128 × 128. */
const mostPacked = 4000;
/** Different patches, which stand for all. */
const distinct = 16;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    sizes: { type: 'string', default: '500,1000,2000,4000,16915' },
    whole: { type: 'boolean' },
    epochs: { type: 'string' },
    child: { type: 'string' },
    patches: { type: 'string' },
    folder: { type: 'string' },
  },
});

const peakMegabytes = () => process.resourceUsage().maxRSS / 1024;

/** A statistics table of `count` rows, made in memory from a few patches. */
const tableOf = async (count) => {
  const { makeColumns, patchColumns, setRow } = await import('../dist/dataset/statistics-table.js');
  const some = Array.from({ length: distinct }, (_, i) => patchColumns(drawPixels(i), shapeOf()));
  const columns = makeColumns(shapeOf(), count);
  for (let row = 0; row < count; row++) setRow(columns, shapeOf(), row, some[row % distinct]);
  const names = Array.from({ length: count }, (_, i) => `patch ${i}`);
  return { ...shapeOf(), bands: 4, ids: names, tiles: names, ...columns };
};

const children = {
  /** Epochs of the published recipe without conv module, on statistics. */
  train: async (count, epochs = 3) => {
    const { trainingTurns } = await import('./training.mjs');
    const table = await tableOf(count);
    const rows = Array.from({ length: count }, (_, row) => row);
    const width = 4 * table.bins;
    const patchHistogram = (row) => table.sourceHistogram.subarray(row * width, (row + 1) * width);
    const data = { table, patchHistogram, lists: { train: [] } };
    const turn = trainingTurns('lut', data, { rows });
    // kernels load and compile in the first steps
    await trainingTurns('lut', data, { rows: rows.slice(0, 200) })();
    const cpu = process.cpuUsage();
    let ms = 0;
    for (let epoch = 0; epoch < epochs; epoch++) ms += await turn();
    const { user, system } = process.cpuUsage(cpu);
    const steps = Math.ceil(count / 4);
    return {
      secondsPerEpoch: (ms / epochs / 1000) * steps,
      cpuSecondsPerEpoch: (user + system) / 1e6 / epochs,
      peakMegabytes: peakMegabytes(),
    };
  },
  paper: (count) => children.train(count, Number(values.epochs)),
  /** Statistics and packed pixels of small patches on disk. */
  pack: async (_, folder) => {
    const { openCache } = await import('../dist/dataset/cache.js');
    const { openDataset } = await import('../dist/dataset/layout.js');
    const { experimentOf } = await import('./training.mjs');
    const { data } = experimentOf('lut');
    process.env.BANDALIGN_CACHE = join(folder, 'cache');
    const dataset = await openDataset(join(folder, 'data'), data, {});
    const start = performance.now();
    const cache = await openCache({ dataset, data, knots: 256, pixels: true });
    await cache.close();
    return { seconds: (performance.now() - start) / 1000, peakMegabytes: peakMegabytes() };
  },
};

if (values.child) {
  const answer = await children[values.child](Number(values.patches), values.folder);
  process.stdout.write(JSON.stringify(answer));
  process.exit(0);
}

const run = (child, patches, ...more) => {
  const args = [fileURLToPath(import.meta.url), '--child', child, '--patches', String(patches), ...more];
  return JSON.parse(execFileSync(process.execPath, args));
};

/** `count` patches of 128 × 128 pixels: links to the files of a few. */
const linkData = async (folder, count) => {
  const root = join(folder, 'data');
  mkdirSync(root);
  const { ids } = await makeData(root, distinct, 128);
  const names = [];
  for (let i = 0; i < count; i++) {
    const name = `49T${String(i).padStart(5, '0')}_20200401-00-00.tif`;
    for (const kind of ['S2', 'GF1', 'mask'])
      linkSync(join(root, 'Bench', kind, ids[i % distinct].split('/')[1]), join(root, 'Bench', kind, name));
    names.push(`Bench/${name}`);
  }
  writeFileSync(join(root, 'divide', 'train.txt'), `${names.join('\n')}\n`);
};

const pack = async (patches) => {
  const folder = join(base, String(patches));
  mkdirSync(folder);
  await linkData(folder, patches);
  const packed = run('pack', patches, '--folder', folder);
  rmSync(folder, { recursive: true });
  return packed;
};

const base = mkdtempSync(join(tmpdir(), 'bandalign-scaling-'));
const rows = [];
try {
  for (const patches of values.sizes.split(',').map(Number)) {
    const packed = patches > mostPacked ? null : await pack(patches);
    const trained = run('train', patches);
    const round = (value, digits) => Number(value.toFixed(digits));
    rows.push({
      patches,
      'epoch (s)': round(trained.secondsPerEpoch, 2),
      'epoch (CPU s)': round(trained.cpuSecondsPerEpoch, 2),
      'ms/patch': round((1000 * trained.secondsPerEpoch) / patches, 2),
      'training peak (MB)': Math.round(trained.peakMegabytes),
      'kernel memory (kB/patch)': round(residentBytes({ bands: 4, knots: 256 }) / 1e3, 1),
      'packing (s)': packed && round(packed.seconds, 1),
      'packing peak (MB)': packed && Math.round(packed.peakMegabytes),
    });
    process.stderr.write(`${patches} patches done\n`);
  }
  const epochs = values.whole ? paper.epochs : 5;
  const timed = run('paper', paper.patches, '--epochs', String(epochs));
  const minutes = (seconds) => Number(((seconds * paper.epochs) / 60).toFixed(1));
  const result = {
    rows,
    paper: {
      ...paper,
      secondsPerEpoch: Number(timed.secondsPerEpoch.toFixed(2)),
      minutes: minutes(timed.secondsPerEpoch),
      cpuMinutes: minutes(timed.cpuSecondsPerEpoch),
      how: values.whole ? 'really run' : 'computed from 5 epochs',
    },
    loadAverage: loadavg()[0],
  };
  if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else {
    console.table(rows);
    const { paper: p } = result;
    console.log(
      `paper scale, ${p.patches} patches × ${p.epochs} epochs: ${p.minutes} min (${p.cpuMinutes} min of processor time), ${p.how}, ${p.secondsPerEpoch} s an epoch; load ${result.loadAverage.toFixed(1)}`,
    );
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
