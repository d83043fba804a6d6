import { histogram } from '../dataset/histogram.js';
import { type PatchPixels, tileKey } from '../dataset/patch.js';
import type { Aligner } from '../experiments/aligner.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { beforeAfter } from '../figures/before-after.js';
import { type DensityPanel, densityScatter } from '../figures/density-scatter.js';
import type { Figure } from '../figures/figure.js';
import { histogramPanel } from '../figures/histogram-panel.js';
import { countPixels, emptyJointCounts } from '../figures/joint-counts.js';
import { lutsWithHistograms } from '../figures/lut-histogram.js';
import { patchRgb } from '../figures/patch-rgb.js';
import { okabeIto } from '../figures/theme.js';
import { addErrors, noErrors } from '../metrics/error-sums.js';
import { r2 as r2Of } from '../metrics/r2.js';
import { rmse as rmseOf } from '../metrics/rmse.js';
import { alignPixels, type Mapping } from '../models/mapping.js';
import { fitClosedForm } from '../training/fit-closed-form.js';
import type { PreparedData } from '../training/prepare-data.js';

/** Copies of the patches of a tile: `data.read` reuses its arrays. */
export const patchesOf = async (data: PreparedData, tile: string): Promise<PatchPixels[]> => {
  const patches: PatchPixels[] = [];
  for (const patch of data.ofTile(tile)) patches.push(structuredClone(await data.read(patch)));
  return patches;
};

/** Density, RMSE and R² of one band of some images against the target of their patches. */
const densityOf = (
  images: readonly ArrayLike<number>[],
  patches: readonly PatchPixels[],
  band: number,
  [low, high]: readonly [number, number],
): DensityPanel => {
  const joint = emptyJointCounts(low, high);
  const sums = noErrors();
  for (const [at, patch] of patches.entries()) {
    countPixels(joint, images[at], patch, band);
    const pixels = patch.width * patch.height;
    for (let i = band * pixels; i < (band + 1) * pixels; i++) {
      if (patch.mask[i - band * pixels] === 0) continue;
      const error = images[at][i] - patch.target[i];
      addErrors(sums, {
        ...{ n: 1, error, squared: error ** 2, absolute: Math.abs(error) },
        ...{ target: patch.target[i], targetSquared: patch.target[i] ** 2 },
      });
    }
  }
  const [rmse, r2] = [rmseOf.of(sums), r2Of.of(sums)];
  return { joint, rmse, r2 };
};

/** The range of the valid pixels of one band over all images, 5 % wider. */
const rangeOf = (
  images: readonly ArrayLike<number>[],
  patches: readonly PatchPixels[],
  band: number,
): [number, number] => {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [at, image] of images.entries()) {
    const { width, height, mask } = patches[at % patches.length];
    for (let i = 0; i < width * height; i++) {
      if (mask[i] === 0) continue;
      low = Math.min(low, image[band * width * height + i]);
      high = Math.max(high, image[band * width * height + i]);
    }
  }
  const beside = 0.025 * (high - low);
  return [Math.max(0, Math.floor(low - beside)), Math.ceil(high + beside)];
};

/** What a model makes of one tile, to be looked at. Figures show the first patch, or all pixels of the tile. */
export interface TileReport {
  tile: string;
  patches: PatchPixels[];
  mapping: Mapping;
  /** True colour of source, aligned source and target, with the scatters of one band beneath. */
  beforeAfter: (band: string) => Figure;
  /** True colour alone, one stretch for all. */
  pictures: Figure;
  /** Histograms of source, aligned source and target. */
  histograms: Figure;
  /** The tile's LUTs beside the best LUT for all tiles, and the histogram; null for a mapping of another form. */
  luts: Figure | null;
  /** Every valid pixel against the target, before and after. */
  scatter: Figure;
}

/** Names of the sensors in figures, and what stands behind their titles. */
export interface ReportNames {
  /** @default S2 */
  source?: string;
  /** @default GF1 */
  target?: string;
  /** Such as `synthetic`. @default none */
  note?: string;
}

/**
 * Aligns a tile and draws what comes of it.
 *
 * @param data prepared with the aligner's experiment
 * @param tile `tile_date`, of any list
 * @throws Fault for a tile that is not there
 */
export const tileReport = async (
  data: PreparedData,
  aligner: Aligner,
  tile: string,
  { source = 'S2', target = 'GF1', note }: ReportNames = {},
): Promise<TileReport> => {
  const patches = await patchesOf(data, tile);
  if (patches.length === 0)
    throw new Fault(`tile: ${tile}; take one of the lists, such as ${tileKey(data.lists.test[0])}`);
  const { bands, bandMax, bins } = aligner.experiment.data;
  const mapping = await aligner.mapping(data.tile(tile));
  const sources = patches.map((patch) => patch.source);
  const targets = patches.map((patch) => patch.target);
  const aligned = patches.map((patch) => alignPixels(mapping, aligner.conv, patch));
  const named = [
    { heading: source, images: sources },
    { heading: `${source} aligned`, images: aligned },
    { heading: target, images: targets },
  ];
  const [before, after] = named;
  const titled = (text: string): string => `${text}, tile ${tile}${note ? ` (${note})` : ''}`;
  const countsOf = (images: readonly ArrayLike<number>[]): number[] =>
    bands.flatMap((_, band) => {
      const sum = new Array<number>(bins).fill(0);
      for (const [at, values] of images.entries()) {
        const size = patches[at].width * patches[at].height;
        const rounded = Int16Array.from({ length: size }, (_, i) => Math.round(values[band * size + i]));
        for (const [bin, count] of histogram(rounded, patches[at].mask, bandMax[band], bins).entries())
          sum[bin] += count;
      }
      return sum;
    });
  const colours = [okabeIto.blue, okabeIto.vermillion, okabeIto.black];
  const ranges = bands.map((_, band) => rangeOf([...sources, ...targets], patches, band));
  const panels = (images: readonly ArrayLike<number>[]): DensityPanel[] =>
    bands.map((_, band) => densityOf(images, patches, band, ranges[band]));
  const [first] = patches;
  return {
    tile,
    patches,
    mapping,
    beforeAfter: (name) => {
      const band = bands.indexOf(name);
      const shown = ({ heading, images }: (typeof named)[number]) => ({
        ...{ heading, values: images[0] },
        density: densityOf(images, patches, band, ranges[band]),
      });
      return beforeAfter(
        { before: shown(before), after: shown(after), target: { heading: target, values: targets[0] } },
        first,
        name,
        { title: titled('Before and after alignment') },
      );
    },
    pictures: patchRgb(
      named.map(({ heading, images }) => ({ heading, values: images[0] })),
      first,
      { title: titled('True colour, one stretch for all') },
    ),
    histograms: histogramPanel(
      named.map(({ heading, images }, i) => ({
        ...{ name: heading, counts: countsOf(images), colour: colours[i] },
        ...(i === 2 ? { dash: 'dot' as const } : {}),
      })),
      bands,
      bandMax,
      titled('Histograms'),
    ),
    luts:
      mapping.form === 'lut'
        ? lutsWithHistograms(
            [{ label: tile, histogram: data.tileHistogram(tile), lut: mapping }],
            { name: 'one LUT for all tiles', mapping: globalLut(data, aligner, mapping.knots) },
            bands,
            titled('What the LUTs add, and the histogram they come from'),
          )
        : null,
    scatter: densityScatter(
      [before, after].map(({ heading, images }) => ({ method: heading, panels: panels(images) })),
      bands,
      { target, title: titled(`${source} against ${target}`) },
    ),
  };
};

/** The best LUT for all training tiles, in closed form. */
export const globalLut = (
  data: PreparedData,
  { experiment }: Pick<Aligner, 'experiment'>,
  knots: number,
): Mapping =>
  fitClosedForm(
    resolveExperiment({ data: experiment.data, model: { kind: 'global-lut', knots } }),
    data.sum(data.lists.train),
  );

/** The tile in the middle of the test list when tiles are sorted by what alignment takes off their RMSE: a typical one. */
export const typicalTile = async (data: PreparedData, aligner: Aligner): Promise<string> => {
  const gains: { tile: string; gain: number }[] = [];
  for (const tile of new Set(data.lists.test.map(tileKey))) {
    const mapping = await aligner.mapping(data.tile(tile));
    let [gain, n] = [0, 0];
    for (const patch of await patchesOf(data, tile)) {
      const aligned = alignPixels(mapping, aligner.conv, patch);
      const pixels = patch.width * patch.height;
      for (let i = 0; i < aligned.length; i++) {
        if (patch.mask[i % pixels] === 0) continue;
        gain += (patch.source[i] - patch.target[i]) ** 2 - (aligned[i] - patch.target[i]) ** 2;
        n++;
      }
    }
    gains.push({ tile, gain: gain / n });
  }
  gains.sort((a, b) => a.gain - b.gain);
  return gains[Math.floor(gains.length / 2)].tile;
};
