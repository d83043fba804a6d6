import { ablationTable, statisticsTable } from '../evaluation/ablation-table.js';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { metricTable } from '../evaluation/metric-table.js';
import { checkPaperRows, readPaperValues } from '../evaluation/paper-values.js';
import { csvTable, latexTable, markdownTable } from '../evaluation/render-table.js';
import { rowStatistics } from '../evaluation/row-statistics.js';
import type { Table } from '../evaluation/table.js';
import { poolTiles, type TileRecord } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';
import { findMetric, metrics } from '../metrics/index.js';
import { labelRuns, tagsOf } from '../sweeps/label-runs.js';
import { type RowRun, seededModels } from '../sweeps/seeded-models.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns, listRuns } from '../training/list-runs.js';
import type { Call, Command } from './command.js';
import { flag, outputOption, text, whole } from './options.js';

/** Fewer say nothing of the 2.5 % in a tail. */
const fewestDraws = 100;

const formats = { md: markdownTable, csv: csvTable, tex: latexTable };

/** Rows of several seeds or folds, or rows to be tested against a baseline. */
const compareRows = async (
  call: Call,
  rows: readonly RowRun[],
  split: 'val' | 'test',
  print: (table: Table) => void,
): Promise<void> => {
  const models = seededModels(rows, { split, region: text(call, 'region') });
  const labels = models.map(({ label }) => label);
  const baseline = text(call, 'baseline') ?? models.find(({ isBound }) => !isBound)?.label ?? labels[0];
  if (!labels.includes(baseline)) throw new Fault(`--baseline: ${baseline}; one of ${labels.join('; ')}`);
  const file = text(call, 'paper');
  const paper = file === undefined ? undefined : await readPaperValues(file);
  if (paper) checkPaperRows(paper, labels);
  const draws = whole(call, 'draws') ?? 1000;
  if (draws > 0 && draws < fewestDraws)
    throw new Fault(`--draws: ${draws}; 0, or at least ${fewestDraws} for intervals and p-values`);
  const { bands } = rows[0].run.experiment.data;
  const options = { caption: `${split} list`, baseline, draws, paper };
  print((flag(call, 'statistics') ? statisticsTable : ablationTable)(models, bands, options));
  call.json({ split, bands, baseline, rows: rowStatistics(models, bands, { baseline, draws }) });
};

export const command: Command = {
  path: ['runs', 'compare'],
  words: '[TAG|SWEEP…]',
  summary: 'a table of finished runs, recomputed from their per-tile records',
  options: {
    ...outputOption,
    format: { type: 'string', value: 'md|csv|tex', default: 'md', help: 'how the table is written' },
    metric: {
      type: 'string',
      value: metrics()
        .map(({ name }) => name)
        .join('|'),
      help: 'only this metric, with the bands as columns',
    },
    split: { type: 'string', value: 'test|val', default: 'test', help: 'which list' },
    region: { type: 'string', value: 'NAME', help: 'only the tiles of one region' },
    reference: {
      type: 'string',
      value: 'TAG',
      default: 'global-lut',
      help: 'the run that the gap is counted from',
    },
    baseline: {
      type: 'string',
      value: 'ROW',
      help: 'the row that the others are tested against (default: the first)',
    },
    statistics: {
      type: 'boolean',
      help: 'a line for each row and metric: intervals, differences, p-values',
    },
    paper: {
      type: 'string',
      value: 'FILE.json',
      help: 'published values to set beside: { row: { column: value } }',
    },
    draws: { type: 'string', value: 'N', default: '1000', help: 'bootstrap draws; 0 for no intervals' },
  },
  run: async (call) => {
    const outputDir = text(call, 'output-dir');
    const format = text(call, 'format') ?? 'md';
    if (!(format in formats)) throw new Fault(`--format: ${format}; one of md, csv, tex`);
    const print = (table: Table): void => call.print(formats[format as keyof typeof formats](table));
    const split = text(call, 'split');
    if (split !== 'test' && split !== 'val') throw new Fault(`--split: ${split}; one of test, val`);
    const name = text(call, 'metric');
    const metric = name === undefined ? undefined : findMetric(name);
    if (name !== undefined && metric === undefined)
      throw new Fault(
        `--metric: ${name}; one of ${metrics()
          .map((one) => one.name)
          .join(', ')}`,
      );
    const tags =
      call.words.length > 0
        ? await tagsOf(call.words, outputDir)
        : (await listRuns(outputDir, call.note))
            .filter(({ result }) => result)
            .map(({ folder }) => folder.tag);
    if (tags.length === 0) throw new Fault(`runs: none finished under ${outputDir}; train one first`);
    const runs = await finishedRuns(tags, outputDir);
    const rows = await labelRuns(runs, outputDir);
    const isSeeded = new Set(rows.map(({ label }) => label)).size < rows.length;
    const asked = ['baseline', 'statistics', 'paper'].some((name) => call.options[name] !== undefined);
    if (metric === undefined && (isSeeded || asked)) return compareRows(call, rows, split, print);
    const region = text(call, 'region');
    const { bands } = runs[0].experiment.data;
    const caption = `${split} list`;
    if (metric !== undefined && isSeeded)
      print(metricTable(seededModels(rows, { split, region }), bands, metric, caption));
    else {
      const models = comparedModels(runs, split, region);
      const alone = models.map(({ label, tiles }) => ({ label, seeds: [tiles], runs: [label] }));
      const options = { reference: text(call, 'reference'), draws: whole(call, 'draws') ?? 1000 };
      print(
        metric === undefined
          ? comparisonTable(caption, models, bands, options)
          : metricTable(alone, bands, metric, caption),
      );
    }
    const isMeant = (record: TileRecord): boolean =>
      record.split === split && (region === undefined || record.region === region);
    call.json({
      split,
      bands,
      runs: runs.map(({ result, tiles }) => ({
        tag: result.tag,
        ...poolTiles(tiles.filter(isMeant), undefined, bands),
      })),
    });
  },
};
