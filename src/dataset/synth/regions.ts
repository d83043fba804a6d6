import type { EndmemberName } from './spectra/endmembers.js';

/** A kind of land cover. */
export interface Cover {
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

/** What grows on what, of real spectra; the shares and seasons are assumptions. */
export const covers = {
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

/** Kinds of land cover. */
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
