import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadExperiment } from '../config/load.js';
import { synthesizeDataset } from '../dataset/synth.js';
import { syntheticMarker } from '../dataset/synth-marker.js';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { markdownTable } from '../evaluation/render-table.js';
import { writeTables } from '../evaluation/write-tables.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns } from '../training/list-runs.js';
import { runExperiment } from '../training/run.js';
import type { Call, Command } from './command.js';
import { flag, setOption, several, text } from './options.js';
import { drawResults } from './reproduce-figures.js';
import { version } from './version.js';

/** The rows of the comparison, in the order of the table. */
const rows = [
  'identity',
  'linear',
  'histogram-matching',
  'global-lut',
  'unet-lut',
  'unet-lut-tv',
  'unet-lut-conv',
  'unet-lut-conv-tv',
  'oracle',
] as const;

/** Makes the demo dataset where there is none; a synthetic dataset that is there is used as it is. */
const ensureDemo = async (call: Call, root: string): Promise<void> => {
  const there = await access(join(root, syntheticMarker)).then(
    () => true,
    () => false,
  );
  if (!there)
    await synthesizeDataset(root, { version: await version(), progress: call.progress, signal: call.signal });
};

const fitRows = async (call: Call, root: string, outputDir: string, resume: boolean): Promise<void> => {
  for (const [i, name] of rows.entries()) {
    const experiment = await loadExperiment(
      `demo/${name}`,
      name.startsWith('unet') ? several(call, 'set') : [],
    );
    call.note(`row ${i + 1} of ${rows.length}: ${name}`);
    await runExperiment({
      experiment,
      root,
      tag: name,
      outputDir,
      resume,
      overwrite: !resume,
      onProgress: call.progress,
      onNote: () => {},
      signal: call.signal,
    });
  }
};

export const command: Command = {
  path: ['reproduce'],
  summary: 'the main job: demo dataset, every row of the comparison, tables, figures and notebooks',
  options: {
    ...setOption,
    data: {
      type: 'string',
      value: 'DIR',
      default: 'dataset/demo',
      help: 'demo dataset, made if it is not there',
    },
    'output-dir': { type: 'string', value: 'DIR', default: 'outputs/demo', help: 'folder of the runs' },
    results: {
      type: 'string',
      value: 'DIR',
      default: 'results',
      help: 'folder of tables, figures and pages',
    },
    resume: { type: 'boolean', help: 'go on after an interruption: finished rows are kept' },
  },
  run: async (call) => {
    const started = performance.now();
    const [root, outputDir, results] = [
      text(call, 'data')!,
      text(call, 'output-dir')!,
      text(call, 'results')!,
    ];
    const stage = (name: string): void =>
      call.note(`${name} (${((performance.now() - started) / 1000).toFixed(0)} s)`);
    stage('demo dataset');
    await ensureDemo(call, root);
    stage('comparison');
    await fitRows(call, root, outputDir, flag(call, 'resume'));
    const runs = await finishedRuns(rows, outputDir);
    const table = comparisonTable(
      'Test tiles of the demo dataset (synthetic)',
      comparedModels(runs),
      runs[0].experiment.data.bands,
    );
    await writeTables('comparison', results, table);
    call.print(markdownTable(table));
    stage('figures');
    await drawResults(root, runs, results, call);
    stage('done');
    call.json({
      results,
      seconds: (performance.now() - started) / 1000,
      runs: runs.map(({ result }) => result),
    });
  },
};
