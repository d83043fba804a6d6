import { join } from 'node:path';
import { seededRandom } from '../config/random.js';
import { histogram } from '../dataset/histogram.js';
import { jointColumns, jointShape } from '../dataset/joint-statistics.js';
import type { PatchPixels } from '../dataset/patch.js';
import { coverNames } from '../dataset/synth/landscape.js';
import { synthDefaults } from '../dataset/synth/synth.js';
import { drawTile, planTile, type TilePlan } from '../dataset/synth/tile.js';
import { percentileInterval } from '../evaluation/bootstrap.js';
import { writeTables } from '../evaluation/render-table.js';
import type { Table } from '../evaluation/table.js';
import type { Aligner } from '../experiments/aligner.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { seriesBeforeAfter } from '../figures/temporal/series-before-after.js';
import { writeAtomic } from '../files.js';
import { alignPixels } from '../models/mapping.js';
import type { Tile } from '../models/model.js';
import { dayOf, dayText } from '../temporal/days.js';
import { mgrsPlaces, simulateCatalog } from '../temporal/simulate.js';

/** A model whose weights align the series; null takes Sentinel-2 as it is. */
export interface SeriesModel {
  label: string;
  aligner: Aligner | null;
}

/** MGRS tiles whose orbits and clouds the regions of the demo data are given, in the order that tiles take turns. */
const mgrsTiles = ['31UFP', '49SCD', '21KYU', '33UXP'];

/** Ground that is in no list: tiles of the demo data's generator beyond those that it drew. */
const firstPlace = 10_000;
const placesPerRegion = 6;

const year = { from: dayOf(Date.UTC(2020, 0, 1)), to: dayOf(Date.UTC(2020, 11, 31)) };

/** Scenes that are clear to this share count as seen. */
const clear = 0.7;

/** A place sees a kind of land cover from so many valid pixels on. */
const leastPixels = 50;

/** Clear days of each sensor over a region's MGRS tile. */
const clearDays = (): { s2: number[]; gf1: number[] }[] => {
  const { acquisitions } = simulateCatalog(mgrsPlaces(mgrsTiles), { period: year });
  return mgrsTiles.map((tile) => {
    const seen = acquisitions.filter((one) => one.tile === tile && (one.clear ?? 0) >= clear);
    const days = (isSensor: (platform: string) => boolean): number[] => [
      ...new Set(seen.filter(({ platform }) => isSensor(platform)).map(({ time }) => dayOf(time))),
    ];
    return { s2: days((name) => name !== 'gf1'), gf1: days((name) => name === 'gf1') };
  });
};

/** One place on one day, as both sensors would see it. */
const look = (plan: TilePlan, day: number): { pixels: PatchPixels; cover: Uint8Array } => {
  const date = dayText(day).replaceAll('-', '');
  const parameters = { ...synthDefaults, patches: 1 };
  const [patch] = drawTile(parameters, { ...plan, across: 1, date }, day).patches;
  const { size } = parameters;
  const joined = (bands: readonly Int16Array[]): Int16Array => {
    const all = new Int16Array(bands.length * size * size);
    for (const [b, band] of bands.entries()) all.set(band, b * size * size);
    return all;
  };
  return {
    pixels: {
      ...{ width: size, height: size, bands: 4, mask: patch.mask },
      ...{ source: joined(patch.source), target: joined(patch.target) },
    },
    cover: patch.cover,
  };
};

/** What a model may know of these pixels. */
const tileOf = (pixels: PatchPixels, { data }: Aligner['experiment']): Tile => {
  const size = pixels.width * pixels.height;
  const counts = new Float64Array(data.bands.length * data.bins);
  for (const [b, max] of data.bandMax.entries())
    counts.set(
      histogram(pixels.source.subarray(b * size, (b + 1) * size) as Int16Array, pixels.mask, max, data.bins),
      b * data.bins,
    );
  return { histogram: counts, joint: jointColumns(pixels, data.bandMax, jointShape(data.bands.length, 3)) };
};

/** Mean NDVI of each kind of land cover, and over all valid pixels as the last; NaN where there are too few. */
const ndviByCover = (
  image: ArrayLike<number>,
  { mask, width, height }: PatchPixels,
  cover: Uint8Array,
): number[] => {
  const size = width * height;
  const sums = new Float64Array(coverNames.length + 1);
  const counts = new Float64Array(coverNames.length + 1);
  for (let i = 0; i < size; i++) {
    const [red, nir] = [image[2 * size + i], image[3 * size + i]];
    if (mask[i] === 0 || !(red + nir > 0)) continue;
    for (const at of [cover[i], coverNames.length]) {
      sums[at] += (nir - red) / (nir + red);
      counts[at]++;
    }
  }
  return Array.from(sums, (sum, at) => (counts[at] >= leastPixels ? sum / counts[at] : Number.NaN));
};

const alignedBy = async ({ aligner }: SeriesModel, pixels: PatchPixels): Promise<ArrayLike<number>> =>
  aligner
    ? alignPixels(await aligner.mapping(tileOf(pixels, aligner.experiment)), aligner.conv, pixels)
    : pixels.source;

/** Differences S2 − GF1 of one place: [models][covers and all][days]. */
const differencesAt = async (
  models: readonly SeriesModel[],
  plan: TilePlan,
  days: readonly number[],
): Promise<number[][][]> => {
  const found = models.map(() => Array.from({ length: coverNames.length + 1 }, (): number[] => []));
  for (const day of days) {
    const { pixels, cover } = look(plan, day);
    const target = ndviByCover(pixels.target, pixels, cover);
    for (const [m, model] of models.entries()) {
      const own = ndviByCover(await alignedBy(model, pixels), pixels, cover);
      for (const [at, value] of own.entries())
        if (Number.isFinite(value - target[at])) found[m][at].push(value - target[at]);
    }
  }
  return found;
};

const draws = 2000;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const rmsOf = (values: readonly number[]): number => Math.sqrt(meanOf(values.map((value) => value ** 2)));

/** A statistic of the differences of all places together, with its 95 % bootstrap interval over places. */
const withInterval = (
  places: readonly (readonly number[])[],
  statistic: (values: readonly number[]) => number,
): { value: number; spread: string } => {
  const random = seededRandom(2022, 'ndvi', places.length);
  const drawn = Float64Array.from({ length: draws }, () =>
    statistic(places.flatMap(() => places[random.integer(places.length)])),
  );
  const { low, high } = percentileInterval(drawn);
  return { value: statistic(places.flat()), spread: `[${low.toFixed(4)}, ${high.toFixed(4)}]` };
};

/**
 * Writes `ndvi.md`: how far the NDVI of both sensors lies apart on days that both see a place, by land cover, before and after
 * alignment by trained models; and `ndvi.svg`, the series of one place. Ground, air and days are simulated.
 */
export const writeNdvi = async (models: readonly SeriesModel[], folder: string): Promise<void> => {
  const daysOf = clearDays();
  const plans = Array.from({ length: placesPerRegion * mgrsTiles.length }, (_, i) =>
    planTile(synthDefaults, firstPlace + i),
  );
  const places: number[][][][] = [];
  for (const [i, plan] of plans.entries()) {
    const { s2, gf1 } = daysOf[i % mgrsTiles.length];
    places.push(
      await differencesAt(
        models,
        plan,
        s2.filter((day) => gf1.includes(day)),
      ),
    );
  }
  const covers = [...coverNames, 'all pixels'];
  const table: Table = {
    caption: 'NDVI of Sentinel-2 less that of Gaofen-1 on days that both see a place (simulated)',
    columns: [
      { label: 'land cover' },
      { label: 'Sentinel-2 aligned by' },
      { label: 'places', digits: 0 },
      { label: 'days', digits: 0 },
      { label: 'mean difference', digits: 4 },
      { label: 'RMS difference', digits: 4 },
    ],
    rows: covers.flatMap((cover, at) =>
      models.flatMap(({ label }, m) => {
        const own = places.map((place) => place[m][at]).filter((values) => values.length > 0);
        if (own.length === 0) return [];
        const days = own.reduce((sum, values) => sum + values.length, 0);
        return [
          { cells: [cover, label, own.length, days, withInterval(own, meanOf), withInterval(own, rmsOf)] },
        ];
      }),
    ),
    notes: [
      `Mean NDVI of the land cover's valid pixels in ${plans.length} places of 64 × 64 pixels that no model has seen, a difference for each place and day; 95 % bootstrap intervals over places (${draws} draws).`,
      `Days of 2020 on which Sentinel-2 and Gaofen-1 both saw the MGRS tiles ${mgrsTiles.join(', ')} to ${100 * clear} %: simulated orbits and clouds (see bandalign temporal simulate). Ground and air are those of the demo data, the haze new on each day.`,
    ],
  };
  await writeTables('ndvi', folder, table);

  // the first place, on all days of either sensor
  const { s2, gf1 } = daysOf[0];
  const last = models[models.length - 1];
  const series = async (
    days: readonly number[],
    image: (pixels: PatchPixels) => Promise<ArrayLike<number>>,
  ) => {
    const values: number[] = [];
    for (const day of days) {
      const { pixels, cover } = look(plans[0], day);
      values.push(ndviByCover(await image(pixels), pixels, cover).at(-1)!);
    }
    return values;
  };
  const target = await series(gf1, async ({ target }) => target);
  const figure = seriesBeforeAfter(
    {
      name: 'S2',
      dates: s2.map(dayText),
      before: await series(s2, async ({ source }) => source),
      after: await series(s2, (pixels) => alignedBy(last, pixels)),
    },
    { name: 'GF-1', dates: gf1.map(dayText), before: target, after: target },
    'NDVI',
    `One place before and after alignment by ${last.label} (simulated)`,
  );
  await writeAtomic(join(folder, 'ndvi.svg'), await renderFigure(figure, { format: 'svg' }));
};
