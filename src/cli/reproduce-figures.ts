import { join } from 'node:path';
import { lossCurves } from '../figures/loss-curves.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { tileLuts } from '../figures/tile-luts.js';
import { writeAtomic } from '../files.js';
import type { Knots } from '../models/mapping.js';
import type { EpochRecord } from '../training/fit.js';
import type { FinishedRun } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';
import { prepareData } from '../training/prepare-data.js';
import { readLines } from '../training/result.js';
import type { Call } from './command.js';

const curveOf = async ({ result, folder }: FinishedRun) => {
  const records = await readLines<EpochRecord>(folder.metrics);
  const validated = records.filter(({ val }) => val);
  return {
    label: result.tag,
    epochs: records.map(({ epoch }) => epoch),
    train: records.map(({ mse }) => mse),
    validated: validated.map(({ epoch }) => epoch),
    val: validated.map(({ val }) => val!.mse),
  };
};

const tilesShown = 24;

/** Every n-th test tile, so that all regions are among them. */
const someTiles = (run: FinishedRun): string[] => {
  const tiles = run.tiles.filter(({ split }) => split === 'test').map(({ tile }) => tile);
  const step = Math.max(1, Math.floor(tiles.length / tilesShown));
  return tiles.filter((_, i) => i % step === 0).slice(0, tilesShown);
};

const asLut = async (path: string, histogram: Float64Array): Promise<Knots> => {
  const mapping = await (await loadAligner(path)).mapping(histogram);
  if (mapping.form !== 'lut') throw new Error(`${path} holds no LUT`);
  return mapping;
};

/** Draws loss curves and LUTs per tile from finished runs: `<results>/loss-curves.svg`, `<results>/tile-luts.svg`. */
export const drawResults = async (
  root: string,
  runs: readonly FinishedRun[],
  results: string,
  call: Call,
): Promise<void> => {
  const trained = runs.filter(({ result }) => result.training);
  const run = (tag: string): FinishedRun => runs.find(({ result }) => result.tag === tag)!;
  const adaptive = run('unet-lut');
  const { experiment } = adaptive;
  const data = await prepareData(experiment, root, { onProgress: call.progress, signal: call.signal });
  const aligner = await loadAligner(adaptive.folder.best);
  const tiles = someTiles(adaptive);
  const luts = await Promise.all(
    tiles.map(async (tile) => ({ tile, lut: (await aligner.mapping(data.tileHistogram(tile))) as Knots })),
  );
  const global = await asLut(run('global-lut').folder.best, data.tileHistogram(tiles[0]));
  const shares = tiles.map((tile) => data.tileHistogram(tile));
  await data.close();
  const figures = {
    'loss-curves': lossCurves(await Promise.all(trained.map(curveOf))),
    'tile-luts': tileLuts(luts, global, experiment.data.bands, shares),
  };
  for (const [name, figure] of Object.entries(figures))
    await writeAtomic(join(results, `${name}.svg`), await renderFigure(figure, { format: 'svg' }));
};
