import { seededRandom } from '../../config/random.js';
import { type Clouds, cloudReflectance, drawClouds } from './clouds.js';
import { drawLandscape } from './landscape.js';
import { whiteNoise } from './noise.js';
import { type Region, regions } from './regions.js';
import { drawViews, hazeEffect, resample, type View, type Views } from './sensing.js';

/** What a synthetic dataset is made from. */
export interface SynthParameters {
  tiles: number;
  /** Patches a tile. */
  patches: number;
  /** Edge of a patch, pixels of 16 m. */
  size: number;
  seed: number;
  /** What the spread of the haze is multiplied by; 0.5 is a clearer world in which tiles differ less. @default 1 */
  haze?: number;
  /** `single`: one kind of land cover to a region instead of several in each tile. @default mixed */
  ground?: 'single';
}

/** Edge of a pixel, m. */
export const pixelSize = 16;
/** The ground is drawn at half of it. */
const finePerPixel = 2;
const margin = 5;
const leastValid = 0.3;

/** What is known of a tile before it is drawn. */
export interface TilePlan {
  index: number;
  name: string;
  /** YYYYMMDD. */
  date: string;
  region: Region;
  /** Upper left corner, m. */
  origin: readonly [number, number];
  /** Patches along an edge of the square that they fill, row by row. */
  across: number;
}

/** The truth of a drawn tile, for whoever wants to look behind a model's error. */
export interface TileTruth {
  shares: Readonly<Record<string, number>>;
  river: boolean;
  cloudy: boolean;
  validShare: number;
  views: Views;
}

/** Pixels of one patch. */
export interface SynthPatch {
  column: number;
  row: number;
  /** Four bands each, reflectance × 10 000. */
  source: Int16Array[];
  target: Int16Array[];
  /** 1 valid, 0 cloud or shadow in either image. */
  mask: Uint8Array;
  /** Land cover, an index into `coverNames`; of the field in the middle of the pixel. */
  cover: Uint8Array;
}

const two = (value: number): string => String(value).padStart(2, '0');

export const patchesAcross = (patches: number): number => Math.ceil(Math.sqrt(patches));

/** Name, day and place of a tile; regions take turns. */
export const planTile = ({ seed, patches, size }: SynthParameters, index: number): TilePlan => {
  const random = seededRandom(seed, 'plan', index);
  const region = regions[index % regions.length];
  const day = new Date(Date.UTC(2020, 0, 1 + random.integer(366)));
  const across = patchesAcross(patches);
  const place = Math.floor(index / regions.length);
  const edge = across * size * pixelSize;
  return {
    index,
    name: `SYN${String(index).padStart(3, '0')}`,
    date: `${day.getUTCFullYear()}${two(day.getUTCMonth() + 1)}${two(day.getUTCDate())}`,
    region,
    origin: [300_000 + (place % 8) * edge, 5_000_000 - Math.floor(place / 8) * edge],
    across,
  };
};

/** What the sensor records of pixels `from` to `to` − 1: its gain and offset, clouds, noise, whole numbers. */
const record = (
  seen: Float32Array,
  { gain, offset }: { gain: number; offset: number },
  { floor, share }: View['noise'],
  noise: (index: number) => number,
  clouds: Clouds | null,
  cloud: number,
  from: number,
  to: number,
  out: Int16Array,
): void => {
  for (let i = from; i < to; i++) {
    let value = gain * seen[i] + offset;
    if (clouds) {
      value *= 1 - clouds.shade[i];
      value += clouds.opacity[i] * (cloud - value);
    }
    value += noise(i) * Math.sqrt(floor * floor + share * share * value * value);
    out[i] = Math.min(32767, Math.max(0, Math.round(10_000 * value)));
  }
};

const see = (
  planes: readonly Float32Array[],
  fineSize: number,
  view: View,
  clouds: Clouds | null,
  noiseSeed: number,
): Int16Array[] => {
  const effects = hazeEffect(view);
  const fine = pixelSize / finePerPixel;
  const shift = [view.shift[0] / fine, view.shift[1] / fine] as const;
  return planes.map((plane, band) => {
    const seen = resample(plane, fineSize, finePerPixel, margin, view.blur / fine, shift);
    const noise = whiteNoise(noiseSeed + band);
    const out = new Int16Array(seen.length);
    // a few rows a call: the engine optimises what is called often
    for (let from = 0; from < out.length; from += 1024)
      record(
        seen,
        effects[band],
        view.noise,
        noise,
        clouds,
        cloudReflectance[band],
        from,
        Math.min(from + 1024, out.length),
        out,
      );
    return out;
  });
};

const cut = <T extends Int16Array | Uint8Array>(
  plane: T,
  width: number,
  x: number,
  y: number,
  size: number,
): T => {
  const out = plane.slice(0, size * size) as T;
  for (let row = 0; row < size; row++) {
    const from = (y + row) * width + x;
    out.set(plane.subarray(from, from + size), row * size);
  }
  return out;
};

/** What covers most of a region. */
const mainCover = ({ ground }: Region): string =>
  Object.entries(ground).reduce((most, one) => (one[1] > most[1] ? one : most))[0];

/**
 * Draws one tile. It depends on the seed, the tile's number and the shape of its patches, and on nothing else.
 *
 * @param look with a number the same ground is seen on another day (`plan.date`): with an air, clouds and noise of that number
 */
export const drawTile = (
  parameters: SynthParameters,
  plan: TilePlan,
  look?: number,
): { patches: SynthPatch[]; truth: TileTruth } => {
  const { seed, size, patches } = parameters;
  const { index, region, across, date } = plan;
  const coarse = across * size;
  const fineSize = coarse * finePerPixel + 2 * margin;
  // the patches fill the square from the top: what lies below them nobody sees
  const fineRows = Math.ceil(patches / across) * size * finePerPixel + 2 * margin;
  const day = look === undefined ? [index] : [index, look];
  const views = drawViews(seededRandom(seed, 'views', ...day), region, parameters.haze);
  const { shares, river, planes, cover } = drawLandscape(
    seededRandom(seed, 'ground', index),
    parameters.ground === 'single' ? { ...region, ground: { [mainCover(region)]: 1 } } : region,
    Number(date.slice(4, 6)),
    [views.source.sensor, views.target.sensor],
    fineSize,
    pixelSize / finePerPixel,
    fineRows,
  );
  const clouds = drawClouds(seededRandom(seed, 'clouds', ...day), coarse, size, leastValid);
  const noise = seededRandom(seed, 'noise', ...day);
  const source = see(
    planes.slice(0, 4),
    fineSize,
    views.source,
    clouds?.source ?? null,
    noise.integer(2 ** 31),
  );
  const target = see(planes.slice(4), fineSize, views.target, clouds?.target ?? null, noise.integer(2 ** 31));
  const valid = clouds?.valid ?? new Uint8Array(coarse * coarse).fill(1);
  const middle = (i: number): number => margin + finePerPixel * i + 1;
  const covered = Uint8Array.from(
    valid,
    (_, i) => cover[middle(Math.floor(i / coarse)) * fineSize + middle(i % coarse)] ?? 0,
  );
  const drawn = Array.from({ length: patches }, (_, i): SynthPatch => {
    const [column, row] = [i % across, Math.floor(i / across)];
    const [x, y] = [column * size, row * size];
    return {
      column,
      row,
      source: source.map((band) => cut(band, coarse, x, y, size)),
      target: target.map((band) => cut(band, coarse, x, y, size)),
      mask: cut(valid, coarse, x, y, size),
      cover: cut(covered, coarse, x, y, size),
    };
  });
  const validPixels = drawn.reduce((sum, { mask }) => sum + mask.reduce((a, b) => a + b, 0), 0);
  return {
    patches: drawn,
    truth: {
      shares,
      river,
      cloudy: clouds !== null,
      validShare: validPixels / (patches * size * size),
      views,
    },
  };
};
