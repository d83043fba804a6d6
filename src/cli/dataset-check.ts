import { override } from '../config/override.js';
import type { DatasetReport } from '../dataset/check.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { loadExperiment } from '../experiments/load.js';
import { Fault } from '../fault.js';
import type { Command } from './command.js';
import { dataOptions, oneWord, setOption, several, text } from './options.js';

const orphansShown = 5;

const table = ({ groups }: DatasetReport): string => {
  const rows = [
    ['list', 'region', 'patches', 'read', 'tiles', 'dates', 'skipped', 'valid'],
    ...groups.map(({ list, region, patches, read, tiles, dates, skipped, validShare }) => [
      list,
      region,
      ...[patches, read, tiles, dates, skipped].map(String),
      `${(100 * validShare).toFixed(1)} %`,
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

const counts = (of: Record<string, number>): string =>
  Object.entries(of)
    .map(([name, count]) => `${name} (${count})`)
    .join('; ');

const summary = (report: DatasetReport): string => {
  const { sizes, types, skipped, orphans, pickles } = report;
  return [
    table(report),
    `sizes: ${counts(sizes) || 'none'}`,
    `types of source, target: ${counts(types) || 'none'}`,
    ...pickles.map(({ path, names }) => `histograms: ${path}, ${names} names`),
    ...skipped.map((id) => `skipped: ${id}, no valid pixel`),
    ...orphans.slice(0, orphansShown).map((path) => `in no list: ${path}`),
    ...(orphans.length > orphansShown
      ? [`in no list: ${orphans.length - orphansShown} more (--json names them)`]
      : []),
  ].join('\n');
};

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** How much was looked at and what came of it. */
const verdict = ({ groups, faults, notes }: DatasetReport): string => {
  const patches = groups.reduce((sum, group) => sum + group.patches, 0);
  const read = groups.reduce((sum, group) => sum + group.read, 0);
  const checked = `checked ${read} of ${patches} listed patches, ${counted(notes.length, 'note')}: `;
  return (
    checked + (faults.length === 0 ? 'no faults' : `${counted(faults.length, 'fault')}, not fit to train on`)
  );
};

export const command: Command = {
  path: ['dataset', 'check'],
  words: 'DIR',
  summary: 'look at every file and list of a dataset and report all that is wrong',
  examples: ['dataset check dataset/mine', 'dataset check dataset/mine --experiment demo/recommended --json'],
  options: {
    divide: dataOptions['divide'],
    ...setOption,
    experiment: {
      type: 'string',
      value: 'NAME',
      help: 'take bands, folders and histograms from an experiment (default: the defaults)',
    },
  },
  run: async (call) => {
    const root = oneWord(call, 'dataset folder');
    const [name, words] = [text(call, 'experiment'), several(call, 'set')];
    const { data } = name
      ? await loadExperiment(name, words, call.note)
      : resolveExperiment(override({}, words));
    const { checkDataset } = await import('../dataset/check.js');
    const report = await checkDataset(root, data, {
      divide: text(call, 'divide'),
      progress: call.progress,
      signal: call.signal,
    });
    for (const note of report.notes) call.note(note);
    call.print(summary(report));
    call.json(report);
    call.print(verdict(report));
    if (report.ok) return;
    if (!call.asJson) throw new Fault(report.faults);
    // the document on stdout holds every fault already
    process.exitCode = 2;
  },
};
