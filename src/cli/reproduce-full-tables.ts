import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calibrationTable, type TileGroup } from '../evaluation/calibration-table.js';
import { datasetTable } from '../evaluation/dataset-table.js';
import { groupTable } from '../evaluation/group-table.js';
import { writeTables } from '../evaluation/render-table.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import { writeAtomic } from '../files.js';
import {
  type StoredSweep,
  someRows,
  sweepRows,
  sweepTables,
  writeSweepTables,
} from '../sweeps/sweep-tables.js';
import type { Environment } from '../training/environment.js';
import type { EpochRecord } from '../training/fit.js';
import { loadAligner } from '../training/load-weights.js';
import { readLines } from '../training/result.js';
import { type SeriesModel, writeNdvi } from './reproduce-full-ndvi.js';
import { clock } from './show-progress.js';

/** A sweep as far as it is finished; null where no run of it is. */
export interface FullPart {
  name: string;
  trials: number;
  stored: StoredSweep | null;
}

const month = ({ date }: TileRecord): string => date.slice(4, 6);
const region = (record: TileRecord): string => record.region;

/** Rows of the sweep `full` that turn one switch of our recipe back. */
const switches = /^recipe-own-(absolute|batch-norm|share|constant)$/;

/** What the switches are to be compared with. */
const besideSwitches = /^(global-lut|multi-cubic|kernel-lut|recommended|recipe-own|cross-fitted-linear)$/;

const bandsOf = ({ runs }: StoredSweep): string[] => runs[0].experiment.data.bands;

/** What was written, a line for the page. */
const line = (file: string, text: string): string => `- [${file}](${file}): ${text}`;

/** Both recipes, and the switches of ours. */
const writeRecipes = async (full: StoredSweep, folder: string): Promise<string[]> => {
  const main = someRows(full, (row) => !switches.test(row));
  await writeSweepTables('ablation', folder, sweepTables(main));
  const models = sweepRows(main);
  await writeTables('by-region', folder, groupTable(models, 'Test tiles by region', region));
  await writeTables('by-month', folder, groupTable(models, 'Test tiles by month', month));
  const lines = [
    line('ablation.md', 'both recipes with and without TV loss and conv module, beside all closed forms'),
    line('by-region.md', 'their errors by region; [by-month.md](by-month.md) by month'),
  ];
  const turned = someRows(full, (row) => switches.test(row) || besideSwitches.test(row), 'recipe-own');
  if (!turned.runs.some(({ experiment }) => switches.test(experiment.name))) return lines;
  const caption = 'Switches of our recipe, one turned back at a time';
  await writeSweepTables('recipe-ablation', folder, sweepTables(turned, { caption }));
  return [...lines, line('recipe-ablation.md', 'what each switch of our recipe brings')];
};

/** Rows whose weights align the simulated series, with the names that they have there. */
const alignsSeries: Readonly<Record<string, string>> = {
  'global-lut': 'global-lut',
  'multi-cubic': 'multi-cubic',
  'kernel-linear': 'kernel-linear',
  'recipe-own': 'UNet-LUT (own)',
  recommended: 'recommended',
};

const writeSeries = async ({ runs }: StoredSweep, folder: string): Promise<string[]> => {
  const models: SeriesModel[] = [{ label: 'nothing', aligner: null }];
  for (const [row, label] of Object.entries(alignsSeries)) {
    const run = runs.find(({ experiment }) => experiment.name === row);
    if (run) models.push({ label, aligner: await loadAligner(run.folder.best) });
  }
  await writeNdvi(models, folder);
  return [
    line(
      'ndvi.md',
      'NDVI of both sensors on simulated days, before and after alignment; [one place](ndvi.svg)',
    ),
  ];
};

/** The row that people are told to use, and the one that it has to beat. */
const [model, baseline] = ['recommended', 'kernel-linear'];

const writeSeeds = async (parts: readonly FullPart[], folder: string): Promise<string[]> => {
  const rows = parts
    .flatMap(({ name, stored }) =>
      name.startsWith('seed-') && stored
        ? [{ dataset: name.slice(5), bands: bandsOf(stored), models: sweepRows(stored) }]
        : [],
    )
    .filter(({ models }) => [model, baseline].every((label) => models.some((one) => one.label === label)));
  if (rows.length === 0) return [];
  const caption = 'The demo data, and datasets of 500 tiles drawn with other seeds';
  await writeTables('seeds', folder, datasetTable(rows, { caption, model, baseline }));
  return [line('seeds.md', `the closed forms on six datasets, with the paired difference of \`${model}\``)];
};

/** Tables of a sweep whose test tiles are of groups that training has not seen. */
const writeUnseen = async ({ name, stored }: FullPart, folder: string): Promise<string[]> => {
  if (!stored) return [];
  await writeSweepTables(name, folder, sweepTables(stored));
  const models = sweepRows(stored);
  const { description } = stored.manifest;
  await writeTables(`${name}-by-region`, folder, groupTable(models, `${description}: by region`, region));
  await writeTables(`${name}-by-month`, folder, groupTable(models, `${description}: by month`, month));
  const text = `${description.toLowerCase()}, of the dataset of seed 7; [by region](${name}-by-region.md), [by month](${name}-by-month.md)`;
  return [line(`${name}.md`, text)];
};

/** How the errors that the recommended model expects hold, on seen and unseen ground; the latter region by region too. */
const writeCalibration = async (parts: readonly FullPart[], folder: string): Promise<string[]> => {
  const groups: TileGroup[] = [];
  let bands: string[] = [];
  for (const { name, stored } of parts) {
    const row = stored && name !== 'full' && sweepRows(stored).find(({ label }) => label === model);
    if (!row) continue;
    bands = bandsOf(stored);
    const [tiles] = row.seeds;
    groups.push({ label: name, tiles });
    if (name !== 'unseen-sites') continue;
    for (const left of [...new Set(tiles.map(region))].sort())
      groups.push({ label: `${left}, left out`, tiles: tiles.filter((tile) => region(tile) === left) });
  }
  if (groups.length === 0) return [];
  const caption = `Errors that ${model} expected of tiles, and those it made`;
  await writeTables('calibration', folder, calibrationTable(groups, bands, caption));
  return [
    line('calibration.md', `coverage of the 95 % intervals that \`${model}\` gives for the error of a tile`),
  ];
};

/** Machine, number and cost of all runs, a line for each machine. */
const machines = async (stored: readonly StoredSweep[]): Promise<string[]> => {
  const found = new Map<string, { runs: number; seconds: number; steps: number }>();
  for (const { folder, result } of stored.flatMap(({ runs }) => runs)) {
    const made = JSON.parse(await readFile(folder.environment, 'utf8')) as Environment;
    const key = `${made.cpu}, ${made.cores} cores, ${made.os}, Node.js ${made.node}, bandalign ${made.version}`;
    const { runs, seconds, steps } = found.get(key) ?? { runs: 0, seconds: 0, steps: 0 };
    // the log holds all epochs, whichever process made them
    const epochs = result.training ? await readLines<EpochRecord>(folder.metrics) : [];
    const spent = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0) || result.seconds;
    found.set(key, {
      runs: runs + 1,
      seconds: seconds + spent,
      steps: steps + (result.training?.steps ?? 0),
    });
  }
  return [...found].map(
    ([machine, { runs, seconds, steps }]) =>
      `- ${machine}: ${runs} runs with ${steps} training steps, ${clock(seconds)} on the clock, added up over runs; where runs shared a core, each counts the time that it waited.`,
  );
};

/**
 * Writes the tables of all parts that have a finished run, and `README.md`: what each is, how far it is, on what machine it was
 * made and what it took. Nothing is trained or tested.
 */
export const writeFullTables = async (parts: readonly FullPart[], folder: string): Promise<void> => {
  const full = parts.find(({ name }) => name === 'full')?.stored;
  const lines = [...(full ? await writeRecipes(full, folder) : []), ...(await writeSeeds(parts, folder))];
  for (const part of parts)
    if (part.name.startsWith('unseen-')) lines.push(...(await writeUnseen(part, folder)));
  lines.push(...(await writeCalibration(parts, folder)));
  if (full) lines.push(...(await writeSeries(full, folder)));
  const finished = ({ stored }: FullPart): number => stored?.runs.length ?? 0;
  const left = parts.reduce((sum, part) => sum + part.trials - finished(part), 0);
  const page = [
    '# Results of `bandalign reproduce --full`',
    '',
    'On synthetic data, as all of `results/`: docs/demo-data.md says what that means.',
    '',
    ...lines,
    '',
    '| sweep | finished | runs |',
    '| --- | ---: | ---: |',
    ...parts.map((part) => `| ${part.name} | ${finished(part)} | ${part.trials} |`),
    '',
    left > 0
      ? `${left} runs are not made yet: tables say how many seeds each row has. \`npx bandalign reproduce --full\` goes on with them; what is finished is kept.`
      : 'All runs are made.',
    '',
    '## Machine and cost',
    '',
    ...(await machines(parts.flatMap(({ stored }) => stored ?? []))),
    '',
  ];
  await writeAtomic(join(folder, 'README.md'), page.join('\n'));
};
