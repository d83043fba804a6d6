import type { Random } from '../config/random.js';
import { bandReflectance } from './spectra/band-reflectance.js';
import { type EndmemberName, endmember } from './spectra/endmembers.js';
import type { SensorName } from './spectra/responses.js';
import { smoothNoise } from './synth-noise.js';

/** A kind of land cover. */
interface Cover {
  soils: readonly EndmemberName[];
  plants: readonly EndmemberName[];
  /** Share of fields under plants in the leafless and in the leafy season. */
  green: readonly [number, number];
  /** Relative strength of shadows inside the canopy. */
  roughness: number;
}

const crops: readonly EndmemberName[] = [
  'hyspex-01-dense-vegetation',
  'hyspex-02-dense-vegetation',
  'hyspex-03-dense-vegetation',
  'hyspex-04-dense-vegetation',
  'hyspex-05-dense-vegetation',
  'hyspex-07-moderate-vegetation',
];
const farmSoils: readonly EndmemberName[] = [
  'hyspex-10-bare-soil',
  'hyspex-11-bare-soil',
  'hyspex-12-bare-soil',
];
const drySoils: readonly EndmemberName[] = [
  'aviris-05-dry-soil-with-little-vegetation',
  'aviris-06-dry-soil-with-little-vegetation',
  'aviris-07-dry-soil-with-little-vegetation',
  'aviris-08-bare-soil',
  'aviris-09-bare-soil',
  'aviris-11-bare-soil',
];
const scrub: readonly EndmemberName[] = [
  'aviris-01-moderate-vegetation',
  'aviris-02-moderate-vegetation',
  'aviris-03-sparse-vegetation',
  'aviris-04-sparse-vegetation',
];

const covers = {
  crops: { soils: farmSoils, plants: crops, green: [0.25, 0.8], roughness: 0.03 },
  pasture: {
    soils: ['hyspex-09-sparse-vegetation-on-soil', 'hyspex-08-moderate-vegetation-with-soil'],
    plants: [
      'hyspex-06-dense-vegetation-with-soil',
      'hyspex-07-moderate-vegetation',
      'hyspex-05-dense-vegetation',
    ],
    green: [0.4, 0.9],
    roughness: 0.05,
  },
  terraces: { soils: drySoils, plants: [...scrub, ...crops.slice(4)], green: [0.1, 0.5], roughness: 0.05 },
  dryGround: { soils: drySoils, plants: scrub, green: [0.05, 0.3], roughness: 0.04 },
  woodland: {
    soils: ['aviris-02-moderate-vegetation', 'hyspex-08-moderate-vegetation-with-soil'],
    plants: [
      'aviris-01-moderate-vegetation',
      'hyspex-06-dense-vegetation-with-soil',
      'hyspex-04-dense-vegetation',
    ],
    green: [0.7, 0.95],
    roughness: 0.12,
  },
} as const satisfies Record<string, Cover>;

export type CoverName = keyof typeof covers;

/** Where tiles lie: what covers the ground, when it is green, and its air. */
export interface Region {
  name: string;
  epsg: number;
  /** Usual shares of land cover. */
  ground: Readonly<Partial<Record<CoverName, number>>>;
  /** Month (1 to 12) of the greenest season. */
  greenest: number;
  /** Median optical depth of the haze at 550 nm. */
  haze: number;
  /** The Gaofen-1 camera whose swath it lies in, 0 to 3 for WFV1 to WFV4. */
  camera: number;
}

/** Invented regions; only their surfaces' spectra are real. */
export const regions: readonly Region[] = [
  {
    name: 'SynthPlain',
    epsg: 32631,
    ground: { crops: 0.6, pasture: 0.2, woodland: 0.2 },
    greenest: 5,
    haze: 0.2,
    camera: 0,
  },
  {
    name: 'SynthDryland',
    epsg: 32649,
    ground: { terraces: 0.4, dryGround: 0.3, crops: 0.2, woodland: 0.1 },
    greenest: 8,
    haze: 0.3,
    camera: 1,
  },
  {
    name: 'SynthSavanna',
    epsg: 32722,
    ground: { pasture: 0.5, crops: 0.2, woodland: 0.2, dryGround: 0.1 },
    greenest: 1,
    haze: 0.25,
    camera: 3,
  },
  {
    name: 'SynthHighland',
    epsg: 32633,
    ground: { woodland: 0.4, pasture: 0.4, terraces: 0.2 },
    greenest: 7,
    haze: 0.15,
    camera: 2,
  },
];

/** Band reflectance of the ground, seen without air or blur: `planes[sensor·4 + band]`, fine pixels row by row. */
export interface Landscape {
  /** Shares of land cover that fields were drawn with. */
  shares: Partial<Record<CoverName, number>>;
  river: boolean;
  planes: Float32Array[];
}

interface Field {
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
const between = (random: Random, low: number, high: number): number => low + (high - low) * random.next();

/** Labels one row of {@link fieldMap}; a call a row, so that the engine optimises it at once. */
const labelRow = (
  labels: Int32Array,
  seedX: Float64Array,
  seedY: Float64Array,
  across: number,
  reach: number,
  size: number,
  row: number,
  cos: number,
  sin: number,
): void => {
  const dy = row - size / 2;
  for (let column = 0; column < size; column++) {
    const dx = column - size / 2;
    const x = dx * cos + dy * sin + reach;
    const y = dy * cos - dx * sin + reach;
    const cellX = Math.floor(x);
    const cellY = Math.floor(y);
    let best = Number.POSITIVE_INFINITY;
    let label = 0;
    for (let j = cellY - 1; j <= cellY + 1; j++) {
      const end = j * across + cellX + 1;
      for (let at = end - 2; at <= end; at++) {
        const off = Math.abs(seedX[at] - x);
        if (off >= best) continue;
        const distance = Math.max(off, Math.abs(seedY[at] - y));
        if (distance < best) {
          best = distance;
          label = at;
        }
      }
    }
    labels[row * size + column] = label;
  }
};

/**
 * Blocks of a jittered lattice in a rotated frame: each fine pixel belongs to the seed that is nearest by the larger
 * of its two coordinate differences, which makes fields angular.
 */
const fieldMap = (
  random: Random,
  size: number,
  rows: number,
  edge: number,
): { labels: Int32Array; count: number } => {
  const angle = random.next() * Math.PI;
  const [cos, sin] = [Math.cos(angle) / edge, Math.sin(angle) / edge];
  // the rotated square lies within ±reach of its centre
  const reach = Math.ceil((size * Math.SQRT1_2) / edge) + 2;
  const across = 2 * reach + 1;
  const [seedX, seedY] = [0, 1].map(() =>
    Float64Array.from({ length: across * across }, () => random.next()),
  );
  const labels = new Int32Array(size * rows);
  for (let row = 0; row < rows; row++) labelRow(labels, seedX, seedY, across, reach, size, row, cos, sin);
  return { labels, count: across * across };
};

/** A river's share of each fine pixel and of its bank, along a meandering line across the square. */
const riverOf = (random: Random, size: number, pixel: number) => {
  const vertical = random.next() < 0.5;
  const width = between(random, 40, 150) / pixel;
  const [start, drift] = [between(random, 0.2, 0.8) * size, between(random, -0.3, 0.3)];
  const waves = [1, 2, 4].map((n) => ({
    height: (between(random, 0.02, 0.08) * size) / n,
    turn: (2 * Math.PI * n * between(random, 0.7, 1.3)) / size,
    phase: 2 * Math.PI * random.next(),
  }));
  const centre = Float64Array.from({ length: size }, (_, along) =>
    waves.reduce(
      (at, { height, turn, phase }) => at + height * Math.sin(turn * along + phase),
      start + drift * along,
    ),
  );
  return (column: number, row: number): { water: number; bank: number } => {
    const distance = Math.abs((vertical ? column : row) - centre[vertical ? row : column]);
    const clamp = (value: number): number => Math.min(1, Math.max(0, value));
    const water = clamp(width / 2 - distance + 0.5);
    return { water, bank: clamp(width - distance + 0.5) - water };
  };
};

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

/** What {@link mixPixels} needs of each field. */
interface Mixture {
  cover: Float64Array;
  variation: Float64Array;
  brightness: Float64Array;
  roughness: Float64Array;
}

/** Share of plants and brightness of pixels `from` to `to` − 1. */
const mixPixels = (
  { cover, variation, brightness, roughness }: Mixture,
  labels: Int32Array,
  coverNoise: Float32Array,
  relief: Float32Array,
  shadow: Float32Array,
  from: number,
  to: number,
  share: Float32Array,
  light: Float32Array,
): void => {
  for (let i = from; i < to; i++) {
    const field = labels[i];
    share[i] = Math.min(1, Math.max(0, cover[field] + variation[field] * coverNoise[i]));
    light[i] =
      Math.max(0.3, brightness[field] + 0.03 * relief[i]) * Math.max(0.3, 1 + roughness[field] * shadow[i]);
  }
};

/** Reflectance of one band: soil and plants in the pixels' shares. */
const paintPixels = (
  bare: Float64Array,
  grown: Float64Array,
  labels: Int32Array,
  share: Float32Array,
  light: Float32Array,
  from: number,
  to: number,
  out: Float32Array,
): void => {
  for (let i = from; i < to; i++) {
    const field = labels[i];
    out[i] = light[i] * (bare[field] + share[i] * grown[field]);
  }
};

/** Lets the river and its bank take their shares of one band. */
const floodPixels = (
  wet: Float32Array,
  wetBank: Float32Array,
  water: number,
  bank: number,
  from: number,
  to: number,
  out: Float32Array,
): void => {
  for (let i = from; i < to; i++) out[i] += wet[i] * (water - out[i]) + wetBank[i] * (bank - out[i]);
};

/** Fraction of fields that are ponds. */
const ponds = 0.01;

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
    const kind = local.get(pickShare(random, shares));
    if (!kind || random.next() < ponds)
      return { soil: water, plants: water, cover: 0, variation: 0, brightness: 1, roughness: 0 };
    const grown = random.next() < kind.green;
    return {
      soil: pick(random, kind.soils),
      plants: pick(random, kind.plants),
      cover: grown ? between(random, 0.5, 1) : between(random, 0, 0.25),
      variation: between(random, 0.03, 0.12),
      brightness: 1 + 0.06 * random.normal(),
      roughness: kind.roughness,
    };
  });
  const cover = smoothNoise(random, size, 240 / pixel, 3, rows);
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
    mixPixels(mixture, labels, cover, relief, shadow, from, from + size, share, light);
  const [wet, wetBank] = [new Float32Array(river ? pixels : 0), new Float32Array(river ? pixels : 0)];
  for (let i = 0; river && i < pixels; i++) {
    const here = river(i % size, Math.floor(i / size));
    wet[i] = here.water;
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
        floodPixels(wet, wetBank, water[plane], bank[plane], from, from + size, out);
    return out;
  });
  return { shares, river: hasRiver, planes };
};
