import { resolve } from 'node:path';
import { seededRandom } from '../config/random.js';
import type { DataSettings } from '../config/schema.js';
import { Fault, refuse } from '../fault.js';
import { georeferenceConflict } from '../raster/georeference.js';
import type { Raster } from '../raster/raster.js';
import { withRaster } from '../raster/read.js';
import type { ListName } from './lists.js';
import type { Patch, RasterRef, Window } from './patch.js';

type Pair = NonNullable<DataSettings['pair']>;
type Header = Pick<Raster, 'path' | 'width' | 'height' | 'bands' | 'georeference'>;

const headerOf = (path: string): Promise<Header> =>
  withRaster(path, async ({ path, width, height, bands, georeference }) => ({
    path,
    width,
    height,
    bands,
    georeference,
  }));

const locate = (root: string, path: string): string =>
  /^https?:\/\//i.test(path) ? path : resolve(root, path);

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
 * tiles go to the lists whole.
 */
export const cutPair = async (
  root: string,
  pair: Pair,
  bands: readonly string[],
): Promise<{ lists: Record<ListName, Patch[]>; unused: number }> => {
  const paths = [pair.source, pair.target, ...(pair.mask === null ? [] : [pair.mask])];
  const opened = await Promise.allSettled(paths.map((path) => headerOf(locate(root, path))));
  const faults: string[] = [];
  for (const result of opened)
    if (result.status === 'rejected') {
      if (!(result.reason instanceof Fault)) throw result.reason;
      faults.push(...result.reason.faults);
    }
  refuse(faults);
  const headers = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [source, target, mask] = headers;
  faults.push(...conflicts(source, target), ...(mask ? conflicts(source, mask) : []));
  if (pair.bands && pair.bands.length !== bands.length)
    faults.push(`data.pair.bands: ${pair.bands.join(', ')}; one for each of ${bands.join(', ')}`);
  for (const { path, bands: count } of [source, target]) {
    const beyond = pair.bands?.find((band) => band > count);
    if (beyond !== undefined) faults.push(`data.pair.bands: ${beyond}; ${path} has ${count}`);
    if (!pair.bands && count !== bands.length)
      faults.push(`raster: ${path}; ${count} bands, choose ${bands.length} of them with data.pair.bands`);
  }
  const [width, height] = pair.patch;
  const [across, down] = [Math.floor(source.width / width), Math.floor(source.height / height)];
  if (across * down === 0)
    faults.push(
      `data.pair.patch: ${width}, ${height}; larger than ${source.path} (${source.width}, ${source.height}), set it smaller`,
    );
  refuse(faults);

  const ref = (path: string, window: Window, chosen: readonly number[] | null): RasterRef => ({
    path,
    window,
    bands: chosen,
  });
  const patches = Array.from({ length: across * down }, (_, index): Patch => {
    const [column, row] = [Math.floor(index / down), index % down];
    const window: Window = [column * width, row * height, width, height];
    const tile = across < 3 ? `c${two(column)}r${two(row)}` : `c${two(column)}`;
    return {
      id: `pair/${tile}-${two(column)}-${two(row)}`,
      region: 'pair',
      tile,
      date: '',
      source: ref(source.path, window, pair.bands),
      target: ref(target.path, window, pair.bands),
      mask: mask ? ref(mask.path, window, null) : null,
    };
  });
  const dealt = dealTiles([...new Set(patches.map(({ tile }) => tile))], pair.val, pair.test);
  const of = (name: ListName): Patch[] => patches.filter(({ tile }) => dealt.get(tile) === name);
  return {
    lists: { train: of('train'), val: of('val'), test: of('test') },
    unused: source.width * source.height - across * down * width * height,
  };
};
