import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { markdownTable, writeTables } from '../evaluation/render-table.js';
import { loadTyped } from '../experiments/load.js';
import { checkSweep } from '../experiments/sweep.js';
import { Fault } from '../fault.js';
import { processors } from '../processors.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns } from '../training/list-runs.js';
import type { Command } from './command.js';
import { ensureSynthetic } from './ensure-synthetic.js';
import { flag, setOption, several, text, whole } from './options.js';
import { reproduceFull } from './reproduce-full.js';
import { sideBySide } from './reproduce-rows.js';

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

const notebooks = async (): Promise<string[]> =>
  (await readdir('notebooks').catch(() => [])).filter((name) => name.endsWith('.ipynb')).sort();

export const command: Command = {
  path: ['reproduce'],
  summary: 'the main job: demo dataset, every row of the comparison, ablation, tables, figures and notebooks',
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
    full: {
      type: 'boolean',
      help: 'instead: what results/full holds, hours of training; goes on where it was stopped',
    },
    minutes: {
      type: 'string',
      value: 'N',
      help: 'with --full: stop after so many and write the tables of what is finished (0: only the tables)',
    },
  },
  run: async (call) => {
    const started = performance.now();
    const [root, results] = [text(call, 'data')!, text(call, 'results')!];
    const minutes = whole(call, 'minutes');
    if (flag(call, 'full')) {
      const outputDir = text(call, 'output-dir') ?? 'outputs';
      if (several(call, 'set').length > 0)
        throw new Fault(
          '--set: not with --full, whose tables are of the recipes as they are; sweep one yourself',
        );
      return reproduceFull(call, { root, outputDir, results, minutes });
    }
    if (minutes !== undefined) throw new Fault(`--minutes: ${minutes}; only with --full`);
    const outputDir = text(call, 'output-dir') ?? 'outputs/demo';
    const sweepsDir = text(call, 'output-dir') ?? 'outputs';
    const jobs = processors();
    const again = flag(call, 'resume') ? '--resume' : '--overwrite';
    const seconds = (): number => (performance.now() - started) / 1000;
    const stage = (name: string): void => call.note(`${name} (${seconds().toFixed(0)} s)`);
    const common = ['--data', root, again, '--quiet'];
    const sets = several(call, 'set').flatMap((word) => ['--set', word]);

    stage('demo dataset');
    await ensureSynthetic(call, root);
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
    call.print(markdownTable(table));

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
      const executions = files.map((file) => ['notebook', 'run', path(file), '--out', path(file), '--quiet']);
      const pages = ['notebook', 'export', ...files.map(path), '--out', results, '--code', 'fold', '--quiet'];
      await sideBySide(call, 'notebooks', executions, jobs);
      if (files.length > 0) await sideBySide(call, 'pages', [pages], 1);
      call.print(`notebooks: ${(seconds() - before).toFixed(0)} s`);
    }
    const { writeIndex } = await import('./reproduce-index.js');
    await writeIndex(
      results,
      flag(call, 'no-notebooks') ? [] : (await notebooks()).map((file) => join('notebooks', file)),
    );
    call.print(`all of it: ${join(results, 'index.html')}`);
    stage('done');
    call.json({ results, seconds: seconds(), runs: runs.map(({ result }) => result) });
  },
};
