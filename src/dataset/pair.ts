import { resolve } from 'node:path';
import { seededRandom } from '../config/random.js';
import type { DataSettings } from '../config/schema.js';
import { Fault, refuse } from '../fault.js';
import { bandsOf, dataBands } from '../raster/bands-of.js';
import { addressOf } from '../raster/byte-source.js';
import { georeferenceConflict } from '../raster/georeference.js';
import type { Raster } from '../raster/raster.js';
import { withRaster } from '../raster/read.js';
import { nearlyAll, statedByTags, unitsFrom } from '../raster/reflectance-units.js';
import { finerRaster } from '../raster/resampled-raster.js';
import { presentSidecars } from '../raster/sidecars.js';
import type { ListName } from './lists.js';
import type { BandUnits, Patch, RasterRef, Window } from './patch.js';
import { inspectPatch } from './read-patch.js';

type Pair = NonNullable<DataSettings['pair']>;
type Header = Pick<Raster, 'path' | 'width' | 'height' | 'georeference' | 'unheeded' | 'bandNodata'>;

/** One of the two rasters, and how its pixels are to be read. */
interface Side extends Header {
  bands: readonly number[];
  /** `bands` are all of the file in its order, and nobody set them: caches go by that. */
  ownOrder: boolean;
  /** Null: as the file's tags say. */
  units: BandUnits[] | null;
  sidecars: string[];
}

const isUrl = (path: string): boolean => addressOf(path) !== null;

const locate = (root: string, path: string): string => (isUrl(path) ? path : resolve(root, path));

/** What is asked of one side of the pair, and how the settings are called. */
interface SideSettings {
  path: string;
  bands: readonly number[] | null;
  bandsField: string;
  scale: number | null;
  scaleField: string;
  boaOffset: number | null;
  offsetField: string;
}

/** The bands that serve `names`, as set or as the file tells; adds to `faults` where that stays open. */
const chosenBands = (
  raster: Raster,
  names: readonly string[],
  { bands, bandsField }: SideSettings,
  faults: string[],
): readonly number[] => {
  if (bands === null) {
    const { length } = dataBands(raster);
    if (length < names.length) {
      faults.push(
        `raster: ${raster.path}; ${length} bands, ${names.length} are needed (${names.join(', ')})`,
      );
      return [];
    }
    const found = bandsOf(raster, names, `data.pair.${bandsField}=`);
    if (typeof found !== 'string') return found;
    faults.push(found);
    return [];
  }
  if (bands.length !== names.length)
    faults.push(`data.pair.${bandsField}: ${bands.join(', ')}; one for each of ${names.join(', ')}`);
  const beyond = bands.find((band) => band > raster.bands);
  if (beyond !== undefined)
    faults.push(`data.pair.${bandsField}: ${beyond}; ${raster.path} has ${raster.bands}`);
  return bands;
};

const openSide = (
  root: string,
  names: readonly string[],
  settings: SideSettings,
  faults: string[],
): Promise<Side> =>
  withRaster(locate(root, settings.path), async (raster) => {
    const { path, width, height, georeference, unheeded, bandNodata } = raster;
    const bands = chosenBands(raster, names, settings, faults);
    const { scale, boaOffset } = settings;
    const set = scale !== null || boaOffset !== null;
    const units = set
      ? bands.map((band): BandUnits => {
          const stated = statedByTags(raster.scale[band - 1], raster.offset[band - 1]);
          const { gain, offset } = unitsFrom(
            boaOffset ?? stated?.boaOffset ?? 0,
            scale ?? stated?.scale ?? null,
            '',
          );
          return { gain, offset };
        })
      : null;
    return {
      path,
      width,
      height,
      georeference,
      unheeded,
      bandNodata: bands.map((band) => bandNodata[band - 1]),
      bands,
      ownOrder:
        settings.bands === null &&
        raster.bands === bands.length &&
        bands.every((band, index) => band === index + 1),
      units,
      sidecars: await presentSidecars(path),
    };
  });

/** A few windows across a raster: enough to tell its units by, whatever its size. */
const sampleWindows = ({ width, height }: Pick<Raster, 'width' | 'height'>): Window[] => {
  const [w, h] = [Math.min(width, 256), Math.min(height, 64)];
  const windows = [0, 1, 2, 3].flatMap((row) =>
    [0, 1].map((column): Window => [(width - w) * column, Math.floor(((height - h) * row) / 3), w, h]),
  );
  return [...new Map(windows.map((window) => [window.join(), window])).values()];
};

/**
 * Valid values of source and target in a few windows, reflectance × 10 000, by band; zeros, which may be empty, left out.
 * Adds to `faults` what already says that a file holds other units.
 */
const sampleOf = async (
  patchAt: (window: Window) => Patch,
  bands: readonly string[],
  size: Pick<Raster, 'width' | 'height'>,
  faults: string[],
): Promise<[source: number[][], target: number[][]]> => {
  const sides: [number[][], number[][]] = [bands.map(() => []), bands.map(() => [])];
  for (const window of sampleWindows(size)) {
    // what is wrong with single pixels is told when all are read
    const { pixels, unitFaults } = await inspectPatch(patchAt(window), bands);
    for (const fault of unitFaults) if (!faults.includes(fault)) faults.push(fault);
    if (!pixels) continue;
    const { mask } = pixels;
    [pixels.source, pixels.target].forEach((values, side) => {
      for (let i = 0; i < values.length; i++)
        if (values[i] !== 0 && mask[i % mask.length] !== 0)
          sides[side][Math.floor(i / mask.length)].push(values[i]);
    });
  }
  return sides;
};

/** Bands nearly all of whose values lie where only other units would put them. */
const rangeFaults = (
  path: string,
  sample: readonly number[][],
  names: readonly string[],
  bandMax: readonly number[],
  { scaleField, offsetField }: SideSettings,
): string[] =>
  sample.flatMap((values, index) => {
    const above = values.filter((value) => value > bandMax[index] - 1).length;
    const below = values.filter((value) => value < 0).length;
    const most = Math.max(above, below);
    if (most <= nearlyAll * values.length) return [];
    return [
      `range: ${((100 * most) / values.length).toFixed(1)} % of band ${names[index]} of ${path} lie ${above > below ? `above ${bandMax[index] - 1}` : 'below 0'} in reflectance × 10 000; set data.pair.${scaleField} and data.pair.${offsetField}, or data.pair.forceRange=true if they are right`,
    ];
  });

const conflicts = (first: Header, second: Header): string[] => {
  if (first.width !== second.width || first.height !== second.height)
    return [
      `raster: ${second.path}; ${second.width} × ${second.height} pixels, ${first.path} has ${first.width} × ${first.height}: bring them to one grid`,
    ];
  const conflict = georeferenceConflict(first.georeference, second.georeference, first.width, first.height);
  return conflict
    ? [`raster: ${second.path}; lies elsewhere than ${first.path} (${conflict}): bring them to one grid`]
    : [];
};

interface MaskSide extends Header {
  repeat: number;
  sidecars: string[];
}

/** A mask on the source's grid, or on one that is a whole number of times coarser, as a scene classification is. */
const openMask = (path: string, source: Pick<Raster, 'width' | 'height'>): Promise<MaskSide> =>
  withRaster(path, async (raster) => {
    const factor = source.width / raster.width;
    const repeat = Number.isInteger(factor) && raster.height * factor === source.height ? factor : 1;
    const { width, height, georeference, unheeded, bandNodata } = finerRaster(raster, repeat);
    const sidecars = await presentSidecars(raster.path);
    return { path: raster.path, width, height, georeference, unheeded, bandNodata, repeat, sidecars };
  });

const settingsOf = (pair: Pair): [source: SideSettings, target: SideSettings] => [
  {
    path: pair.source,
    bands: pair.sourceBands ?? pair.bands,
    bandsField: pair.sourceBands || !pair.bands ? 'sourceBands' : 'bands',
    scale: pair.scale,
    scaleField: 'scale',
    boaOffset: pair.boaOffset,
    offsetField: 'boaOffset',
  },
  {
    path: pair.target,
    bands: pair.targetBands ?? pair.bands,
    bandsField: pair.targetBands || !pair.bands ? 'targetBands' : 'bands',
    scale: pair.targetScale,
    scaleField: 'targetScale',
    boaOffset: pair.targetBoaOffset,
    offsetField: 'targetBoaOffset',
  },
];

/** What `work` gives, or its faults added to `faults`. */
const gathered = async <T>(faults: string[], work: Promise<T>): Promise<T | null> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    faults.push(...error.faults);
    return null;
  }
};

/**
 * Tiles dealt to the lists in a random order that depends on their number alone, so that every seed of an experiment
 * sees the same split. Each list gets a tile at least.
 */
export const dealTiles = (tiles: readonly string[], val: number, test: number): Map<string, ListName> => {
  if (tiles.length < 3)
    throw new Fault(
      `data.pair.patch: ${tiles.length} tiles; train, val and test need one each, so choose smaller patches`,
    );
  const order = seededRandom('data.pair', tiles.length).shuffled(tiles);
  const tested = Math.min(Math.max(1, Math.round(test * tiles.length)), tiles.length - 2);
  const validated = Math.min(Math.max(1, Math.round(val * tiles.length)), tiles.length - 1 - tested);
  return new Map(
    order.map((tile, index) => [
      tile,
      index < tested ? 'test' : index < tested + validated ? 'val' : 'train',
    ]),
  );
};

const two = (value: number): string => String(value).padStart(2, '0');

/**
 * Cuts two co-registered rasters into whole patches from the upper left; what is left at the right and lower edge is
 * not used (`unused`, pixels). A tile is a column of patches, or one patch where there are fewer than three columns;
 * tiles go to the lists whole. Bands go by their names and colours, units by the files' scale and offset, unless `pair`
 * says otherwise; a few windows are read to see that the units can be so.
 */
export const cutPair = async (
  root: string,
  pair: Pair,
  { bands, bandMax }: Pick<DataSettings, 'bands' | 'bandMax'>,
): Promise<{ lists: Record<ListName, Patch[]>; unused: number; notes: string[] }> => {
  const [faults, bandFaults]: [string[], string[]] = [[], []];
  const settings = settingsOf(pair);
  const [source, target] = await Promise.all(
    settings.map((side) => gathered(faults, openSide(root, bands, side, bandFaults))),
  );
  const reference = source ?? target;
  const mask =
    pair.mask === null || reference === null
      ? null
      : await gathered(faults, openMask(locate(root, pair.mask), reference));
  if (pair.maskValid && pair.maskBits)
    faults.push('data.pair.maskBits: set beside data.pair.maskValid; one of them');
  if (source && target) faults.push(...conflicts(source, target), ...(mask ? conflicts(source, mask) : []));
  // a list for both files is wrong for both
  faults.push(...new Set(bandFaults));
  if (!source || !target) throw new Fault(faults);
  const [width, height] = pair.patch;
  const [across, down] = [Math.floor(source.width / width), Math.floor(source.height / height)];
  if (across * down === 0)
    faults.push(
      `data.pair.patch: ${width}, ${height}; larger than ${source.path} (${source.width}, ${source.height}), set it smaller`,
    );
  refuse(faults);

  const refOf = (side: Side, window: Window): RasterRef => ({
    path: side.path,
    window,
    bands: side.ownOrder ? null : side.bands,
    ...(side.units ? { units: side.units } : {}),
    ...(side.sidecars.length > 0 ? { sidecars: side.sidecars } : {}),
  });
  const valid = pair.maskValid
    ? { valid: { classes: pair.maskValid } }
    : pair.maskBits
      ? { valid: { bits: pair.maskBits } }
      : {};
  const maskOf = (window: Window): RasterRef | null =>
    mask && {
      path: mask.path,
      window,
      bands: null,
      ...valid,
      ...(mask.repeat > 1 ? { repeat: mask.repeat } : {}),
      ...(mask.sidecars.length > 0 ? { sidecars: mask.sidecars } : {}),
    };
  const statesNodata = [source, target].some(({ bandNodata }) => bandNodata.some((value) => value !== null));
  const patchAt = (window: Window, id = '', tile = ''): Patch => ({
    id,
    region: 'pair',
    tile,
    date: '',
    source: refOf(source, window),
    target: refOf(target, window),
    mask: maskOf(window),
    ...(mask && statesNodata ? { anyNodata: true } : {}),
  });
  if (!pair.forceRange) {
    const sample = await sampleOf(patchAt, bands, source, faults);
    [source, target].forEach(({ path }, side) => {
      faults.push(...rangeFaults(path, sample[side], bands, bandMax, settings[side]));
    });
    refuse(faults);
  }
  const patches = Array.from({ length: across * down }, (_, index): Patch => {
    const [column, row] = [Math.floor(index / down), index % down];
    const tile = across < 3 ? `c${two(column)}r${two(row)}` : `c${two(column)}`;
    const id = `pair/${tile}-${two(column)}-${two(row)}`;
    return patchAt([column * width, row * height, width, height], id, tile);
  });
  const dealt = dealTiles([...new Set(patches.map(({ tile }) => tile))], pair.val, pair.test);
  const of = (name: ListName): Patch[] => patches.filter(({ tile }) => dealt.get(tile) === name);
  return {
    lists: { train: of('train'), val: of('val'), test: of('test') },
    unused: source.width * source.height - across * down * width * height,
    notes: [...new Set([source, target].flatMap(({ unheeded }) => unheeded))],
  };
};
