import type { Aligner } from '../experiments/aligner.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { distanceEcdf } from '../figures/distance-ecdf.js';
import type { Figure } from '../figures/figure.js';
import { lutsWithHistograms } from '../figures/lut-histogram.js';
import { residualMap, residualsOf } from '../figures/residual-map.js';
import { bandLabel, palette } from '../figures/theme.js';
import { tileLuts } from '../figures/tile-luts.js';
import { rmse as rmseOf } from '../metrics/rmse.js';
import { alignPixels, type Knots } from '../models/mapping.js';
import { bestLuts } from '../models/oracle.js';
import { quantile } from '../quantile.js';
import { fitClosedForm } from '../training/fit-closed-form.js';
import type { FinishedRun } from '../training/list-runs.js';
import type { PreparedData } from '../training/prepare-data.js';
import { globalLut, patchesOf } from './tile-report.js';

/** The LUTs of a tile. @throws Fault for a model whose mappings have another form */
export const lutOf = async (data: PreparedData, aligner: Aligner, tile: string): Promise<Knots> => {
  const mapping = await aligner.mapping(data.tile(tile));
  if (mapping.form !== 'lut') throw new Fault(`model: ${aligner.experiment.model.kind}; it has no LUT`);
  return mapping;
};

/** The best LUTs of some patches' own target, smoothed for the eye: as they are they follow single pixels. */
const smoothBest = (data: PreparedData, { experiment }: Aligner, tile: string): Knots => {
  const model = {
    kind: 'global-lut',
    knots: Number(experiment.model.knots),
    globalLut: { smoothness: 1 },
  } as const;
  return fitClosedForm(
    resolveExperiment({ data: experiment.data, model }),
    data.sum(data.ofTile(tile)),
  ) as Knots;
};

/** A curve of {@link lutFigure}: the LUTs of a tile by one model. */
export interface LutChoice {
  tile: string;
  /** Of the legend; the tile's name by default. */
  label?: string;
  /** Instead of the figure's own model. */
  aligner?: Aligner;
  /** Draw the tile's own best LUT too. */
  best?: boolean;
}

/** LUTs of some tiles above the histograms that they come from, beside one LUT for all tiles. */
export const lutFigure = async (
  data: PreparedData,
  aligner: Aligner,
  choices: readonly LutChoice[],
  title: string,
): Promise<Figure> => {
  const luts = await Promise.all(choices.map(({ tile, aligner: own = aligner }) => lutOf(data, own, tile)));
  return lutsWithHistograms(
    choices.map(({ tile, label = tile, best }, i) => ({
      ...{ label, histogram: data.tileHistogram(tile), lut: luts[i], colour: palette[i] },
      ...(best ? { oracle: smoothBest(data, aligner, tile) } : {}),
    })),
    { name: 'one LUT for all tiles', mapping: globalLut(data, aligner, luts[0].knots) },
    aligner.experiment.data.bands,
    title,
  );
};

const seasons = ['Dec–Feb', 'Mar–May', 'Jun–Aug', 'Sep–Nov'];

/** Mean LUTs and mean histograms of tiles by season, beside one LUT for all tiles. Tiles are `name_YYYYMMDD`. */
export const seasonLuts = async (
  data: PreparedData,
  aligner: Aligner,
  tiles: readonly string[],
  title: string,
): Promise<Figure> => {
  const seasonOf = (tile: string): number =>
    Math.floor((Number(tile.split('_').at(-1)!.slice(4, 6)) % 12) / 3);
  const groups = seasons
    .map((season, at) => ({ season, at, own: tiles.filter((tile) => seasonOf(tile) === at) }))
    .filter(({ own }) => own.length > 0);
  const drawn = await Promise.all(
    groups.map(async ({ season, at, own }) => {
      const luts = await Promise.all(own.map((tile) => lutOf(data, aligner, tile)));
      const histograms = own.map((tile) => data.tileHistogram(tile));
      return {
        label: `${season} (${own.length} tiles)`,
        histogram: histograms[0].map((_, k) => histograms.reduce((sum, counts) => sum + counts[k], 0)),
        lut: {
          ...luts[0],
          values: luts[0].values.map(
            (_, k) => luts.reduce((sum, { values }) => sum + values[k], 0) / luts.length,
          ),
        },
        colour: palette[at],
      };
    }),
  );
  const all = { name: 'one LUT for all tiles', mapping: globalLut(data, aligner, drawn[0].lut.knots) };
  return lutsWithHistograms(drawn, all, aligner.experiment.data.bands, title);
};

/** What the LUTs of some tiles add to the source, over each other, beside one LUT for all tiles. */
export const manyLuts = async (
  data: PreparedData,
  aligner: Aligner,
  tiles: readonly string[],
  title: string,
  source = 'S2',
): Promise<Figure> => {
  const luts = await Promise.all(
    tiles.map(async (tile) => ({ tile, lut: await lutOf(data, aligner, tile) })),
  );
  return tileLuts(
    luts,
    globalLut(data, aligner, luts[0].lut.knots) as Knots,
    aligner.experiment.data.bands,
    tiles.map((tile) => data.tileHistogram(tile)),
    { title, source },
  );
};

/** Of a tile's source pixels in one band: the value below which a share of them lies, stored units. */
export const sourceQuantile = (
  data: PreparedData,
  aligner: Aligner,
  tile: string,
  band: number,
  share: number,
): number => {
  const { bandMax, bins } = aligner.experiment.data;
  const counts = data.tileHistogram(tile).subarray(band * bins, (band + 1) * bins);
  const total = counts.reduce((sum, count) => sum + count, 0);
  let [bin, below] = [0, 0];
  while (bin < bins && below < share * total) below += counts[bin++];
  return (bin * bandMax[band]) / bins;
};

/**
 * How LUTs run where their tiles have pixels: RMS of second differences (roughness), and the share of decreasing steps; a row a
 * model.
 */
export const lutShapes = async (
  data: PreparedData,
  aligners: Readonly<Record<string, Aligner>>,
  tiles: readonly string[],
): Promise<Record<string, string | number>[]> =>
  Promise.all(
    Object.entries(aligners).map(async ([model, aligner]) => {
      const { bands, bins } = aligner.experiment.data;
      let [squares, decreases, used] = [0, 0, 0];
      for (const tile of tiles) {
        const { values } = await lutOf(data, aligner, tile);
        const counts = data.tileHistogram(tile);
        for (let at = 1; at < bands.length * bins - 1; at++) {
          const isInner = at % bins > 0 && at % bins < bins - 1;
          if (!isInner || counts[at - 1] === 0 || counts[at] === 0 || counts[at + 1] === 0) continue;
          squares += (values[at - 1] - 2 * values[at] + values[at + 1]) ** 2;
          if (values[at + 1] < values[at]) decreases++;
          used++;
        }
      }
      return {
        model,
        'roughness (×10⁴)': Number(Math.sqrt(squares / used).toFixed(2)),
        'decreasing steps (%)': Number(((100 * decreases) / used).toFixed(2)),
      };
    }),
  );

/** Prediction − target of one patch of a tile in one band, a panel a model, and the bound last. */
export const errorMaps = async (
  data: PreparedData,
  aligners: Readonly<Record<string, Aligner>>,
  tile: string,
  band: string,
  title: string,
): Promise<Figure> => {
  const [patch] = await patchesOf(data, tile);
  const panels = await Promise.all(
    Object.entries(aligners).map(async ([heading, aligner]) => {
      const prediction = alignPixels(await aligner.mapping(data.tile(tile)), aligner.conv, patch);
      return {
        heading,
        residuals: residualsOf(prediction, patch, aligner.experiment.data.bands.indexOf(band)),
      };
    }),
  );
  const { bands, bandMax, bins } = Object.values(aligners)[0].experiment.data;
  const best = bestLuts(data.sum(data.ofTile(tile)), bandMax, bins);
  panels.push({
    heading: 'oracle (a bound)',
    residuals: residualsOf(alignPixels(best, null, patch), patch, bands.indexOf(band)),
  });
  return residualMap(panels, { width: patch.width, height: patch.height }, title);
};

/** Each test tile's RMSE less that of its own best LUT, by runs: what a better prediction could still gain there. */
export const distanceToBound = (
  runs: readonly FinishedRun[],
  bound: FinishedRun,
  title: string,
): { figure: Figure; rows: Record<string, string | number>[] } => {
  const { bands } = bound.experiment.data;
  const errorsOf = (run: FinishedRun): Map<string, number[]> =>
    new Map(
      run.tiles
        .filter(({ split }) => split === 'test')
        .map(({ tile, bands: sums }) => [tile, sums.map((one) => rmseOf.of(one))]),
    );
  const least = errorsOf(bound);
  const series = runs.map((run) => {
    const own = errorsOf(run);
    return {
      name: run.result.tag,
      distances: bands.map((_, band) =>
        [...least].map(([tile, errors]) => own.get(tile)![band] - errors[band]),
      ),
    };
  });
  return {
    figure: distanceEcdf(series, bands, title),
    rows: series.flatMap(({ name, distances }) =>
      bands.map((band, at) => {
        const sorted = Float64Array.from(distances[at]).sort();
        return {
          ...{ model: name, band: bandLabel(band) },
          'median distance (×10⁴)': Number(quantile(sorted, 0.5).toFixed(1)),
          '90 % of tiles within (×10⁴)': Number(quantile(sorted, 0.9).toFixed(1)),
        };
      }),
    ),
  };
};
