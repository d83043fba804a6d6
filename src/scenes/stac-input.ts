import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { Fault, reason } from '../fault.js';
import { bandId, bandsNamed, sentinelName } from '../raster/band-names.js';
import { addressOf } from '../raster/byte-source.js';
import { statedByTags } from '../raster/reflectance-units.js';
import type { ProductFolder } from './product-folder.js';

/** What an item says of a band, in STAC 1.1 or by the raster and eo extensions of before. */
const bandSchema = z.looseObject({
  name: z.string().optional(),
  common_name: z.string().optional(),
  'eo:common_name': z.string().optional(),
  scale: z.number().optional(),
  offset: z.number().optional(),
  'raster:scale': z.number().optional(),
  'raster:offset': z.number().optional(),
});

const assetSchema = z.looseObject({
  href: z.string(),
  type: z.string().optional(),
  roles: z.array(z.string()).optional(),
  gsd: z.number().optional(),
  'raster:scale': z.number().optional(),
  'raster:offset': z.number().optional(),
  bands: z.array(bandSchema).optional(),
  'eo:bands': z.array(bandSchema).optional(),
  'raster:bands': z.array(bandSchema).optional(),
});

const itemSchema = z.looseObject({
  type: z.literal('Feature'),
  stac_version: z.string(),
  id: z.string(),
  properties: z.looseObject({ datetime: z.string().nullable().optional() }),
  assets: z.record(z.string(), assetSchema),
});

type Asset = z.infer<typeof assetSchema> & { key: string };
type Item = z.infer<typeof itemSchema>;

/** Whether an input is an item by its name: a JSON file, or an address as the APIs give items. */
export const isStacItem = (input: string): boolean => {
  const address = addressOf(input);
  const path = (address ?? input).split(/[?#]/)[0];
  return /\.(?:geo)?json$/i.test(path) || (address !== null && /\/items\/[^/]+$/.test(path));
};

const answerWithin = 60_000;

const textOf = async (path: string): Promise<string> => {
  const address = addressOf(path);
  if (address === null)
    return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Fault(
        `item: ${path}; ${error.code === 'ENOENT' ? 'no such file, check the path' : `cannot be read (${reason(error)})`}`,
      );
    });
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(answerWithin) });
    if (answer.ok) return await answer.text();
    throw new Fault(`item: ${path}; the server answers ${answer.status}, check the address`);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const cause = error instanceof Error && error.cause ? error.cause : error;
    throw new Fault(`item: ${path}; the connection failed (${reason(cause)}), try again later`, 1);
  }
};

const readItem = async (path: string): Promise<Item> => {
  const text = await textOf(path);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Fault(`item: ${path}; not JSON (${reason(error)})`);
  }
  const parsed = itemSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const { type } = (document ?? {}) as { type?: unknown };
  throw new Fault(
    type === 'FeatureCollection' || type === 'Catalog' || type === 'Collection'
      ? `item: ${path}; a ${type}, give one STAC item`
      : `item: ${path}; not a STAC item (${parsed.error.issues[0].path.join('.') || 'document'}: ${parsed.error.issues[0].message.toLowerCase()})`,
  );
};

/** What an asset calls its band: by its key, else its one band's name, else the common name. */
const textsOf = (asset: Asset): string[] => {
  const bands = asset.bands ?? asset['eo:bands'] ?? [];
  const [band] = bands;
  const only = bands.length === 1 ? [band.name, band['eo:common_name'] ?? band.common_name] : [];
  return [asset.key.replace(/[-_](?:jp2|cog|\d+m)$/i, ''), ...only].filter((text) => text !== undefined);
};

const isPicture = ({ type = '', href, roles = [], bands, 'eo:bands': eo }: Asset): boolean =>
  !/tiff|jp2|jpeg2000/i.test(`${type} ${href.split(/[?#]/)[0]}`) ||
  roles.some((role) => /^(?:thumbnail|overview|visual)$/.test(role)) ||
  (bands ?? eo ?? []).length > 1;

/** Metres of a pixel, as far as the asset says. */
const sizeOf = ({ key, gsd, href }: Asset): number =>
  Number(/[-_](\d+)m$/i.exec(key)?.[1] ?? gsd ?? /_(\d+)m\.\w+$/.exec(href)?.[1] ?? 10);

/** Finer goes before coarser, a GeoTIFF before JPEG 2000, which takes long to decode. */
const byUse = (a: Asset, b: Asset): number =>
  sizeOf(a) - sizeOf(b) || Number(/jp2/i.test(a.type ?? a.href)) - Number(/jp2/i.test(b.type ?? b.href));

const applied = (properties: Item['properties']): boolean | null => {
  const found = Object.entries(properties).find(([name]) => /(?:^|:)boa_offset_applied$/.test(name));
  return typeof found?.[1] === 'boolean' ? found[1] : null;
};

const baselineOf = (properties: Item['properties']): string | null => {
  const stated = properties['s2:processing_baseline'] ?? properties['processing:version'];
  return typeof stated === 'string' && /^\d+\.\d+$/.test(stated) ? stated : null;
};

const scalesOf = (asset: Asset): { scale?: number; offset?: number } => {
  const band = asset['raster:bands']?.[0] ?? asset.bands?.[0];
  return {
    scale: band?.scale ?? band?.['raster:scale'] ?? asset['raster:scale'],
    offset: band?.offset ?? band?.['raster:offset'] ?? asset['raster:offset'],
  };
};

/**
 * The units of a band's file. Where an item says that its offset was applied, the pixels have none left, whatever scale and
 * offset stand beside it: the catalogue describes the product as it was published.
 */
const offsetOf = (item: Item, asset: Asset): number | null => {
  if (applied(item.properties) === true) return 0;
  const { scale, offset } = scalesOf(asset);
  if (offset !== undefined || scale !== undefined) {
    const stated = statedByTags(scale ?? 1, offset ?? 0);
    if (stated) return stated.boaOffset;
  }
  const baseline = baselineOf(item.properties);
  if (baseline === null) return null;
  if (Number(baseline) < 4) return 0;
  // as ESA published it: Planetary Computer changes no pixel
  const asPublished = applied(item.properties) === false || /\.blob\.core\.windows\.net\//.test(asset.href);
  return asPublished ? -1000 : null;
};

/** Where an asset is read from. */
const placeOf = (item: string, href: string): string => {
  if (/^[a-z][a-z0-9+]+:\/\//i.test(href) || isAbsolute(href)) return href;
  const address = addressOf(item);
  return address === null ? join(dirname(item), href) : new URL(href, address).href;
};

/**
 * Finds the files of a STAC item of Sentinel-2 by band, as earth-search, Planetary Computer and CDSE give it: its bands at the
 * finest size, its scene classification, and what it says of units.
 *
 * @param path a JSON file or an address
 * @throws Fault where it is no item, of Level-1C, or lacks bands
 */
export const openStacItem = async (path: string, names: readonly string[]): Promise<ProductFolder> => {
  const item = await readItem(path);
  if (/MSIL1C/.test(item.id) || /l1c/i.test(String(item['collection'] ?? '')))
    throw new Fault(
      `item: ${path}; Level-1C is top-of-atmosphere reflectance, surface reflectance (Level-2A) is needed`,
    );
  const assets = Object.entries(item.assets)
    .map(([key, asset]): Asset => ({ key, ...asset }))
    .filter((asset) => !isPicture(asset))
    .sort(byUse);
  const named = assets.map((asset) =>
    bandsNamed(textsOf(asset), [...names, 'SCL'], ['MSIL2A']).find((name) => name !== null),
  );
  const of = (name: string): Asset | undefined => assets.find((_, index) => named[index] === name);
  const found = names.map((name) => ({ name, asset: of(name) }));
  const missing = found.filter(({ asset }) => !asset);
  if (missing.length > 0)
    throw new Fault(
      missing.map(
        ({ name }) =>
          `band ${name}: item ${item.id} has no asset of it; its keys or bands must name it, such as ${sentinelName(name)}`,
      ),
    );
  const chosen = found as { name: string; asset: Asset }[];
  const offsets = chosen.flatMap(({ name, asset }): [number, number][] => {
    const offset = offsetOf(item, asset);
    return offset === null ? [] : [[bandId(name), offset]];
  });
  const scale = scalesOf(chosen[0].asset).scale;
  const scl = of('SCL');
  return {
    files: chosen.map(({ asset }) => placeOf(path, asset.href)),
    scl: scl ? placeOf(path, scl.href) : null,
    metadata: {
      path,
      origin: 'STAC item',
      baseline: baselineOf(item.properties),
      product: item.id,
      datetime: item.properties.datetime ?? null,
      scale: scale ? Math.round(1 / scale) : 10_000,
      offsets: new Map(offsets),
      nodata: 0,
      images: [],
    },
  };
};
