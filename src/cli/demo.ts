import { join } from 'node:path';
import { isSynthetic, synthesizeDataset } from '../dataset/synth/synth.js';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { loadExperiment } from '../experiments/load.js';
import { figurePage } from '../figures/page.js';
import { tileLuts } from '../figures/tile-luts.js';
import { writeAtomic } from '../files.js';
import { ignoreProgress } from '../progress.js';
import { lutOf } from '../reports/lut-report.js';
import { tableHtml } from '../temporal/report.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';
import { prepareData } from '../training/prepare-data.js';
import type { Call, Command } from './command.js';
import { oneWord } from './options.js';
import { exampleTile, someTiles } from './reproduce-figures.js';
import { version } from './version.js';

/** Rows of the table: from no alignment to the recommended model, one with a LUT for each tile to be drawn, and the bound. */
const rows = ['identity', 'linear', 'global-lut', 'kernel-lut', 'recommended', 'oracle'];

/** Enough tiles that a model which adapts to them has something to learn from, few enough for half a minute. */
const size = { tiles: 160, patches: 2, size: 64, seed: 2022 };

const drawnTiles = 24;

const introduction = `<h1>bandalign: a first look</h1>
<p class="simulated">Synthetic data: ${size.tiles} tiles that the program simulated, not measurements. They say nothing of how well models do on other data.</p>
<p>Sentinel-2 and GF-1 see the same ground in bands that differ a little. Below, models learn from pairs of patches how to turn
Sentinel-2 values into those of GF-1, and are scored on tiles that they have not seen.</p>`;

const trainRows = async (call: Call, root: string, outputDir: string): Promise<void> => {
  const { runExperiment } = await import('../run-experiment.js');
  for (const [done, row] of rows.entries()) {
    call.progress({ stage: 'demo', done, total: rows.length, unit: 'models', note: row });
    await runExperiment({
      experiment: await loadExperiment(`demo/${row}`),
      root,
      tag: row,
      outputDir,
      overwrite: true,
      destination: null,
      onProgress: ignoreProgress,
      // what a run says of the data, the page says at its head
      onNote: () => {},
      signal: call.signal,
    });
  }
  call.progress({ stage: 'demo', done: rows.length, total: rows.length, unit: 'models' });
};

const pageOf = async (call: Call, root: string, outputDir: string) => {
  const runs = await finishedRuns(rows, outputDir);
  const [identity, , global, adaptive, recommended] = runs;
  const { bands } = recommended.experiment.data;
  const table = comparisonTable('Test tiles of the demo (synthetic)', comparedModels(runs), bands);
  const data = await prepareData(recommended.experiment, root, {
    onProgress: ignoreProgress,
    signal: call.signal,
  });
  try {
    const example = await exampleTile(data, identity, recommended);
    const tiles = someTiles(adaptive, drawnTiles);
    const [own, shared] = await Promise.all([adaptive, global].map(({ folder }) => loadAligner(folder.best)));
    const luts = tileLuts(
      await Promise.all(tiles.map(async (tile) => ({ tile, lut: await lutOf(data, own, tile) }))),
      await lutOf(data, shared, tiles[0]),
      bands,
      tiles.map((tile) => data.tileHistogram(tile)),
      { title: `LUTs of ${tiles.length} test tiles (synthetic)` },
    );
    const html = await figurePage('bandalign: a first look', [
      { html: introduction },
      { heading: 'How well models do', html: tableHtml(table) },
      { heading: 'One tile, before and after', figure: example },
      { heading: 'Each tile has a LUT of its own', figure: luts },
    ]);
    return { table, html };
  } finally {
    await data.close();
  }
};

export const command: Command = {
  path: ['demo'],
  words: '[DIR]',
  summary:
    'a first look in half a minute: small synthetic data, six models, one page with the table and figures',
  examples: ['demo', 'demo first-look'],
  run: async (call) => {
    const started = performance.now();
    const folder = call.words.length === 0 ? 'bandalign-demo' : oneWord(call, 'folder');
    const [root, outputDir] = ['dataset', 'outputs'].map((name) => join(folder, name));
    const page = join(folder, 'demo.html');
    if (!(await isSynthetic(root)))
      await synthesizeDataset(root, {
        ...size,
        version: await version(),
        progress: call.progress,
        signal: call.signal,
      });
    await trainRows(call, root, outputDir);
    const { table, html } = await pageOf(call, root, outputDir);
    await writeAtomic(page, html);
    const seconds = (performance.now() - started) / 1000;
    const next = [
      `npx bandalign runs compare --output-dir ${outputDir}`,
      `npx bandalign train demo/unet-lut --data ${root} --tag mine`,
      'npx bandalign dataset check DIR',
    ];
    call.table(table);
    call.print(`\npage: ${page}  (${seconds.toFixed(0)} s; open it in a browser)`);
    call.print(`\nnext:\n${next.map((line) => `  ${line}`).join('\n')}`);
    call.json({ page, data: root, outputDir, seconds, next });
  },
};
