import { between, type Random } from '../../config/random.js';
import { fieldMap } from './fields.js';
import { smoothNoise } from './noise.js';
import { floodPixels, type Mixture, mixPixels, paintPixels } from './paint.js';
import { type Cover, type CoverName, covers, type Region } from './regions.js';
import { riverOf } from './river.js';
import { bandReflectance } from './spectra/band-reflectance.js';
import { type EndmemberName, endmember } from './spectra/endmembers.js';
import type { SensorName } from './spectra/responses.js';

/** Band reflectance of the ground, seen without air or blur: `planes[sensor·4 + band]`, fine pixels row by row. */
export interface Landscape {
  /** Shares of land cover that fields were drawn with. */
  shares: Partial<Record<CoverName, number>>;
  river: boolean;
  planes: Float32Array[];
  /** Which of {@link coverNames} a fine pixel's field is of, or `water`. */
  cover: Uint8Array;
}

/** Kinds of land cover in the order that a {@link Landscape}'s pixels count them. */
export const coverNames = [...(Object.keys(covers) as CoverName[]), 'water'] as const;

interface Field {
  /** Among {@link coverNames}. */
  kind: number;
  /** Soil and plants: S2's four bands, then GF1's. */
  soil: Float64Array;
  plants: Float64Array;
  /** Share of plants and how much it varies inside the field. */
  cover: number;
  variation: number;
  brightness: number;
  roughness: number;
}

const pick = <T>(random: Random, items: readonly T[]): T => items[random.integer(items.length)];

/** A Dirichlet draw about `usual`, as gamma variates of shape 4·share that sums of exponentials stand for. */
const drawShares = (random: Random, usual: Region['ground']): Partial<Record<CoverName, number>> => {
  const drawn = (Object.entries(usual) as [CoverName, number][]).map(([name, share]) => {
    const whole = Math.max(1, Math.round(8 * share));
    let sum = 0;
    for (let i = 0; i < whole; i++) sum -= Math.log(1 - random.next());
    return [name, (sum * 8 * share) / whole] as const;
  });
  const total = drawn.reduce((sum, [, share]) => sum + share, 0);
  return Object.fromEntries(drawn.map(([name, share]) => [name, share / total]));
};

const pickShare = <T extends string>(random: Random, shares: Partial<Record<T, number>>): T => {
  let left = random.next();
  const entries = Object.entries(shares) as [T, number][];
  for (const [name, share] of entries) {
    left -= share;
    if (left < 0) return name;
  }
  return entries[entries.length - 1][0];
};

/** Fraction of fields that are ponds. */
const ponds = 0.01;
const wet = coverNames.indexOf('water');

/**
 * Draws the ground of one tile: fields of several kinds of land cover, under plants or bare as the season has it, each
 * a mixture of two spectra whose shares vary smoothly inside the field, with brightness by field, moisture by tile and
 * shadows by roughness; ponds, and now and then a river.
 *
 * @param size fine pixels along an edge, `pixel` m each
 * @param rows fine rows from the top that are wanted: their ground does not depend on it
 * @param month 1 to 12
 * @param sensors the two sensors whose bands are computed
 */
export const drawLandscape = (
  random: Random,
  region: Region,
  month: number,
  sensors: readonly [SensorName, SensorName],
  size: number,
  pixel: number,
  rows = size,
): Landscape => {
  const bandsOf = (name: EndmemberName): Float64Array => {
    const spectrum = endmember(name);
    return Float64Array.from(sensors.flatMap((sensor) => bandReflectance(sensor, spectrum)));
  };
  const [water, bank] = [bandsOf('aviris-12-water'), bandsOf('aviris-10-dark-surface')];
  const leafy = 0.5 + 0.5 * Math.cos((2 * Math.PI * (month - region.greenest)) / 12);
  const shares = drawShares(random, region.ground);
  const moisture = between(random, 0.75, 1.05);
  // each kind of cover has a soil or two and a few kinds of plants in a tile, its neighbour has others
  const local = new Map(
    (Object.keys(shares) as CoverName[]).map((name) => {
      const { soils, plants, green, roughness }: Cover = covers[name];
      const some = (items: readonly EndmemberName[], count: number): Float64Array[] =>
        Array.from({ length: count }, () => bandsOf(pick(random, items)));
      return [
        name,
        {
          soils: some(soils, 2).map((soil) => soil.map((value) => value * moisture)),
          plants: some(plants, 3),
          green: green[0] + (green[1] - green[0]) * leafy + 0.08 * random.normal(),
          roughness,
        },
      ] as const;
    }),
  );

  const edge = between(random, 120, 450) / pixel;
  const { labels, count } = fieldMap(random, size, rows, edge);
  const fields = Array.from({ length: count }, (): Field => {
    const name = pickShare(random, shares);
    const kind = local.get(name);
    if (!kind || random.next() < ponds)
      return { kind: wet, soil: water, plants: water, cover: 0, variation: 0, brightness: 1, roughness: 0 };
    const grown = random.next() < kind.green;
    return {
      kind: coverNames.indexOf(name),
      soil: pick(random, kind.soils),
      plants: pick(random, kind.plants),
      cover: grown ? between(random, 0.5, 1) : between(random, 0, 0.25),
      variation: between(random, 0.03, 0.12),
      brightness: 1 + 0.06 * random.normal(),
      roughness: kind.roughness,
    };
  });
  const density = smoothNoise(random, size, 240 / pixel, 3, rows);
  const relief = smoothNoise(random, size, 1200 / pixel, 2, rows);
  const shadow = smoothNoise(random, size, 3, 1, rows);
  const hasRiver = random.next() < 0.2;
  const river = hasRiver ? riverOf(random, size, pixel) : null;

  const pixels = size * rows;
  const [share, light] = [new Float32Array(pixels), new Float32Array(pixels)];
  const perField = (of: (field: Field) => number): Float64Array => Float64Array.from(fields, of);
  const mixture: Mixture = {
    cover: perField((field) => field.cover),
    variation: perField((field) => field.variation),
    brightness: perField((field) => field.brightness),
    roughness: perField((field) => field.roughness),
  };
  for (let from = 0; from < pixels; from += size)
    mixPixels(mixture, labels, density, relief, shadow, from, from + size, share, light);
  const [flooded, wetBank] = [new Float32Array(river ? pixels : 0), new Float32Array(river ? pixels : 0)];
  for (let i = 0; river && i < pixels; i++) {
    const here = river(i % size, Math.floor(i / size));
    flooded[i] = here.water;
    wetBank[i] = here.bank;
  }
  const planes = Array.from({ length: 8 }, (_, plane) => {
    const bare = Float64Array.from(fields, ({ soil }) => soil[plane]);
    const grown = Float64Array.from(fields, ({ soil, plants }) => plants[plane] - soil[plane]);
    const out = new Float32Array(pixels);
    for (let from = 0; from < pixels; from += size)
      paintPixels(bare, grown, labels, share, light, from, from + size, out);
    if (river)
      for (let from = 0; from < pixels; from += size)
        floodPixels(flooded, wetBank, water[plane], bank[plane], from, from + size, out);
    return out;
  });
  const cover = Uint8Array.from(labels.subarray(0, pixels), (label, i) =>
    river && flooded[i] + wetBank[i] > 0.5 ? wet : fields[label].kind,
  );
  return { shares, river: hasRiver, planes, cover };
};
