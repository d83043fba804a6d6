import { comparisonTable } from '../evaluation/comparison-table.js';
import { csvTable, latexTable, markdownTable } from '../evaluation/render-table.js';
import { poolTiles } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';
import { comparedModels } from '../training/compare-runs.js';
import { finishedRuns, listRuns } from '../training/list-runs.js';
import type { Command } from './command.js';
import { outputOption, text, whole } from './options.js';

const formats = { md: markdownTable, csv: csvTable, tex: latexTable };

export const command: Command = {
  path: ['runs', 'compare'],
  words: '[TAG…]',
  summary: 'a table of finished runs, recomputed from their per-tile records',
  options: {
    ...outputOption,
    format: { type: 'string', value: 'md|csv|tex', default: 'md', help: 'how the table is written' },
    metric: {
      type: 'string',
      value: 'rmse|r2|mae|bias',
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
    draws: { type: 'string', value: 'N', default: '1000', help: 'bootstrap draws; 0 for no intervals' },
  },
  run: async (call) => {
    const outputDir = text(call, 'output-dir');
    const format = text(call, 'format') ?? 'md';
    if (!(format in formats)) throw new Fault(`--format: ${format}; one of md, csv, tex`);
    const split = text(call, 'split');
    if (split !== 'test' && split !== 'val') throw new Fault(`--split: ${split}; one of test, val`);
    const metric = text(call, 'metric');
    if (metric !== undefined && !['rmse', 'r2', 'mae', 'bias'].includes(metric))
      throw new Fault(`--metric: ${metric}; one of rmse, r2, mae, bias`);
    const tags =
      call.words.length > 0
        ? call.words
        : (await listRuns(outputDir)).filter(({ result }) => result).map(({ folder }) => folder.tag);
    if (tags.length === 0) throw new Fault(`runs: none finished under ${outputDir}; train one first`);
    const runs = await finishedRuns(tags, outputDir);
    const models = comparedModels(runs, split, text(call, 'region'));
    const bands = runs[0].experiment.data.bands;
    const table = comparisonTable(`${split} list`, models, bands, {
      reference: text(call, 'reference'),
      draws: whole(call, 'draws') ?? 1000,
    });
    if (metric !== undefined) {
      const label = { rmse: 'RMSE', r2: 'R²', mae: 'MAE', bias: 'bias' }[metric]!;
      table.columns = [
        { label: 'model' },
        ...bands.map((band) => ({ label: `${label} ${band}`, digits: metric === 'r2' ? 4 : 2 })),
      ];
      table.rows = models.map(({ label: name, tiles }) => ({
        cells: [name, ...poolTiles(tiles).bands.map((band) => band[metric as 'rmse'])],
      }));
      table.notes = table.notes?.slice(0, 1);
    }
    call.print(formats[format as keyof typeof formats](table));
    call.json({
      split,
      bands,
      runs: models.map(({ label, tiles }) => ({ tag: label, ...poolTiles(tiles) })),
    });
  },
};
