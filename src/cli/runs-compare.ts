import { basename } from 'node:path';
import { chosen, notOneOf } from '../config/spelling.js';
import { ablationTables } from '../evaluation/ablation-table.js';
import { defaultDraws } from '../evaluation/bootstrap.js';
import { comparisonTable } from '../evaluation/comparison-table.js';
import { metricTable } from '../evaluation/metric-table.js';
import { checkPaperRows, readPaperValues } from '../evaluation/paper-values.js';
import type { Table } from '../evaluation/table.js';
import { poolTiles, type TileRecord } from '../evaluation/tile-record.js';
import { loadDefinitions } from '../experiments/load.js';
import { Fault, reason } from '../fault.js';
import { findMetric, metrics } from '../metrics/index.js';
import type { Metric } from '../metrics/metric.js';
import { labelRuns, tagsOf } from '../sweeps/label-runs.js';
import { type RowRun, seededModels } from '../sweeps/seeded-models.js';
import { comparedModels } from '../training/compare-runs.js';
import { type FinishedRun, finishedRuns, listRuns } from '../training/list-runs.js';
import type { Call, Command, TableFormat } from './command.js';
import { flag, modelOption, outputOption, text, whole } from './options.js';

/** Fewer say nothing of the 2.5 % in a tail. */
const fewestDraws = 100;

const formats: readonly TableFormat[] = ['text', 'md', 'csv', 'tex'];

type Split = 'val' | 'test';

/** Runs that can stand in one table: of the same data, tested on the same tiles or on the folds of the same split. */
const groupRuns = (runs: readonly FinishedRun[], split: Split): FinishedRun[][] => {
  const groups = new Map<string, FinishedRun[]>();
  for (const run of runs) {
    const { by, folds } = run.experiment.split;
    const tiles = run.tiles.filter((record) => record.split === split).map(({ tile }) => tile);
    const { bands } = run.experiment.data;
    const place = by === 'lists' ? tiles.sort().join() : `${by} ${folds}`;
    const key = JSON.stringify([run.result.data.digest, bands, place]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
};

/** Of runs with one row, seed and fold the newest. */
const withoutTwins = (rows: readonly RowRun[], note: (text: string) => void): RowRun[] => {
  const kept = new Map<string, RowRun>();
  for (const row of rows) {
    const { seed, split } = row.run.experiment;
    const key = JSON.stringify([row.label, seed, split.fold]);
    const twin = kept.get(key);
    const isNewer = !twin || twin.run.result.finished < row.run.result.finished;
    if (twin) {
      const [old, fresh] = isNewer ? [twin, row] : [row, twin];
      note(
        `left out: ${old.run.folder.tag}; the same configuration and seed as ${fresh.run.folder.tag}, which is newer`,
      );
    }
    if (isNewer) kept.set(key, row);
  }
  return [...kept.values()];
};

/** Rows of several seeds or folds, or rows to be tested against a baseline; what `--json` says of them. */
const compareRows = async (
  call: Call,
  rows: readonly RowRun[],
  split: Split,
  print: (table: Table) => void,
): Promise<unknown> => {
  const models = seededModels(rows, { split, region: text(call, 'region') });
  const labels = models.map(({ label }) => label);
  const baseline = text(call, 'baseline') ?? models.find(({ bound }) => !bound)?.label ?? labels[0];
  if (!labels.includes(baseline)) throw new Fault(notOneOf('--baseline', baseline, labels, '; '));
  const file = text(call, 'paper');
  const paper = file === undefined ? undefined : await readPaperValues(file);
  if (paper) checkPaperRows(paper, labels);
  const draws = whole(call, 'draws') ?? defaultDraws;
  if (draws > 0 && draws < fewestDraws)
    throw new Fault(`--draws: ${draws}; 0, or at least ${fewestDraws} for intervals and p-values`);
  const { bands } = rows[0].run.experiment.data;
  const tables = ablationTables(models, bands, { caption: `${split} list`, baseline, draws, paper });
  print(flag(call, 'statistics') ? tables.statistics : tables.comparison);
  return { split, bands, baseline, rows: tables.rows };
};

/** Prints the table of one group; returns what `--json` says of it. */
const compareGroup = async (
  call: Call,
  runs: readonly FinishedRun[],
  split: Split,
  metric: Metric | undefined,
  print: (table: Table) => void,
): Promise<unknown> => {
  const region = text(call, 'region');
  const regions = [...new Set(runs.flatMap(({ tiles }) => tiles.map((record) => record.region)))].sort();
  if (region !== undefined && !regions.includes(region))
    throw new Fault(notOneOf('--region', region, regions));
  const rows = withoutTwins(await labelRuns(runs, text(call, 'output-dir')), call.note);
  const isSeeded =
    new Set(rows.map(({ label }) => label)).size < rows.length || runs[0].experiment.split.by !== 'lists';
  const isAsked = ['baseline', 'statistics', 'paper'].some((name) => call.options[name] !== undefined);
  if (metric === undefined && (isSeeded || isAsked)) return compareRows(call, rows, split, print);
  const { bands } = runs[0].experiment.data;
  const caption = `${split} list`;
  if (metric !== undefined && isSeeded)
    print(metricTable(seededModels(rows, { split, region }), bands, metric, caption));
  else {
    const models = comparedModels(
      rows.map(({ run }) => run),
      split,
      region,
    );
    const alone = models.map(({ label, tiles }) => ({ label, seeds: [tiles], runs: [label] }));
    const options = { reference: text(call, 'reference'), draws: whole(call, 'draws') };
    print(
      metric === undefined
        ? comparisonTable(caption, models, bands, options)
        : metricTable(alone, bands, metric, caption),
    );
  }
  const isMeant = (record: TileRecord): boolean =>
    record.split === split && (region === undefined || record.region === region);
  return {
    split,
    bands,
    runs: rows.map(({ run }) => ({
      tag: run.result.tag,
      ...poolTiles(run.tiles.filter(isMeant), undefined, bands),
    })),
  };
};

export const command: Command = {
  path: ['runs', 'compare'],
  words: '[TAG|SWEEP…]',
  summary: 'compare finished runs: a table for each dataset and split, recomputed from per-tile records',
  examples: [
    'runs compare',
    'runs compare linear mine --baseline linear --statistics',
    'runs compare ablation --metric rmse --format tex',
  ],
  options: {
    ...outputOption,
    ...modelOption,
    format: {
      type: 'string',
      value: 'text|md|csv|tex',
      help: 'how tables are written (default: text on a terminal, md elsewhere)',
    },
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
    draws: { type: 'string', value: 'N', default: '10000', help: 'bootstrap draws; 0 for no intervals' },
  },
  run: async (call) => {
    const model = text(call, 'model');
    if (model !== undefined) await loadDefinitions(model);
    const outputDir = text(call, 'output-dir');
    const asked = text(call, 'format');
    const format = asked === undefined ? undefined : chosen('--format', asked, formats);
    const split = chosen('--split', text(call, 'split')!, ['test', 'val']);
    const name = text(call, 'metric');
    const metricNames = metrics().map((one) => one.name);
    const metric = name === undefined ? undefined : findMetric(chosen('--metric', name, metricNames));
    const tags =
      call.words.length > 0
        ? await tagsOf(call.words, outputDir)
        : (await listRuns(outputDir, call.note))
            .filter(({ result }) => result)
            .map(({ folder }) => folder.tag);
    if (tags.length === 0) throw new Fault(`runs: none finished under ${outputDir}; train one first`);
    const groups = groupRuns(await finishedRuns(tags, outputDir), split);
    const documents: unknown[] = [];
    const faults: Fault[] = [];
    for (const runs of groups) {
      const [{ result, experiment }] = runs;
      const { by } = experiment.split;
      const print = (table: Table): void => {
        const place = `${basename(result.data.root)}, ${split} ${by === 'lists' ? 'list' : `tiles by ${by}`}`;
        const caption = groups.length > 1 ? place : table.caption;
        if (documents.length > 0) call.print('');
        call.table({ ...table, caption }, format);
      };
      try {
        documents.push(await compareGroup(call, runs, split, metric, print));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        faults.push(error);
        const some = runs.slice(0, 3).map(({ folder }) => folder.tag);
        const others = runs.length > 3 ? ` and ${runs.length - 3} more` : '';
        if (groups.length > 1) call.note(`left out: ${some.join(', ')}${others}; ${reason(error)}`);
      }
    }
    if (documents.length === 0) throw faults[0];
    call.json(groups.length === 1 ? documents[0] : { groups: documents });
  },
};
