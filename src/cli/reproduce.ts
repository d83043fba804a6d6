import { access, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { syntheticMarker } from '../dataset/synth/marker.js';
import { synthesizeDataset } from '../dataset/synth/synth.js';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { writeTables } from '../evaluation/render-table.js';
import { loadTyped } from '../experiments/load.js';
import { checkSweep } from '../experiments/sweep.js';
import { processors } from '../processors.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns } from '../training/list-runs.js';
import type { Call, Command } from './command.js';
import { flag, setOption, several, text } from './options.js';
import { sideBySide } from './reproduce-rows.js';
import { version } from './version.js';

/** The rows of the comparison, in the order of the table; each is `experiments/demo/<row>.ts`. */
const rows = [
  'identity',
  'linear',
  'histogram-matching',
  'global-lut',
  'multi-linear',
  'multi-cubic',
  'kernel-lut',
  'kernel-linear',
  'recommended',
  'unet-lut',
  'unet-lut-tv',
  'unet-lut-conv',
  'unet-lut-conv-tv',
  'cross-fitted-lut',
  'cross-fitted-linear',
  'oracle',
] as const;

/** The sweep: `experiments/<name>.ts`, here or in the package. */
const ablation = 'ablation-short';

/** Makes the demo dataset where there is none; a synthetic dataset that is there is used as it is. */
const ensureDemo = async (call: Call, root: string): Promise<void> => {
  const there = await access(join(root, syntheticMarker)).then(
    () => true,
    () => false,
  );
  if (!there)
    await synthesizeDataset(root, { version: await version(), progress: call.progress, signal: call.signal });
};

const notebooks = async (): Promise<string[]> =>
  (await readdir('notebooks').catch(() => [])).filter((name) => name.endsWith('.ipynb')).sort();

export const command: Command = {
  path: ['reproduce'],
  summary: 'the main job: demo dataset, every row of the comparison, ablation, tables, figures and notebooks',
  examples: ['reproduce', 'reproduce --resume --no-notebooks'],
  options: {
    ...setOption,
    data: {
      type: 'string',
      value: 'DIR',
      default: 'dataset/demo',
      help: 'demo dataset, made if it is not there',
    },
    'output-dir': {
      type: 'string',
      value: 'DIR',
      help: "folder of the runs (default: outputs/demo, the ablation's in outputs)",
    },
    results: {
      type: 'string',
      value: 'DIR',
      default: 'results',
      help: 'folder of tables, figures and pages',
    },
    resume: { type: 'boolean', help: 'go on after an interruption: finished rows are kept' },
    'no-notebooks': { type: 'boolean', help: 'leave the notebooks out' },
  },
  run: async (call) => {
    const started = performance.now();
    const [root, results] = [text(call, 'data')!, text(call, 'results')!];
    const outputDir = text(call, 'output-dir') ?? 'outputs/demo';
    const sweepsDir = text(call, 'output-dir') ?? 'outputs';
    const jobs = processors();
    const again = flag(call, 'resume') ? '--resume' : '--overwrite';
    const seconds = (): number => (performance.now() - started) / 1000;
    const stage = (name: string): void => call.note(`${name} (${seconds().toFixed(0)} s)`);
    const common = ['--data', root, again, '--quiet'];
    const sets = several(call, 'set').flatMap((word) => ['--set', word]);

    stage('demo dataset');
    await ensureDemo(call, root);
    await sideBySide(call, 'packing', [['dataset', 'pack', root, '--quiet']], 1);

    stage('comparison');
    const train = (row: string): string[] => [
      ...['train', `demo/${row}`, '--tag', row, '--output-dir', outputDir, ...common],
      ...(row.startsWith('unet') ? sets : []),
    ];
    await sideBySide(call, 'rows', rows.map(train), jobs);
    const runs = await finishedRuns(rows, outputDir);
    const caption = 'Test tiles of the demo dataset (synthetic)';
    const table = comparisonTable(caption, comparedModels(runs), runs[0].experiment.data.bands);
    await writeTables('comparison', results, table);
    call.table(table);

    stage('ablation');
    const sweep = ['sweep', ablation, '--output-dir', sweepsDir, '--results', results];
    await sideBySide(call, 'ablation', [[...sweep, ...common, '--jobs', String(jobs), ...sets]], 1);
    const { name } = checkSweep((await loadTyped(ablation)).value);
    call.print(`ablation: ${join(results, `${name}.md`)}`);

    stage('figures');
    const { drawResults } = await import('./reproduce-figures.js');
    await drawResults(root, runs, results, call);

    if (!flag(call, 'no-notebooks')) {
      stage('notebooks');
      const before = seconds();
      const files = await notebooks();
      const path = (file: string): string => join('notebooks', file);
      const page = (file: string): string => join(results, `${basename(file, '.ipynb')}.html`);
      const executions = files.map((file) => ['notebook', 'run', path(file), '--out', path(file), '--quiet']);
      const exports = files.map((file) => ['notebook', 'export', path(file), '--out', page(file), '--quiet']);
      await sideBySide(call, 'notebooks', executions, jobs);
      await sideBySide(call, 'pages', exports, jobs);
      call.print(`notebooks: ${(seconds() - before).toFixed(0)} s`);
    }
    stage('done');
    call.json({ results, seconds: seconds(), runs: runs.map(({ result }) => result) });
  },
};
