import { access, readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { reason } from '../fault.js';
import { addressOf } from './byte-source.js';
import { type BandStatement, gdalNumber, silentBand } from './gdal-metadata.js';
import type { Georeference } from './georeference.js';
import { rasterFault } from './raster-fault.js';
import { attribute, children, parseXml, textOf, type XmlNode } from './xml.js';

type Transform = Georeference['transform'];

/** What GDAL keeps beside a raster in `FILE.aux.xml`. */
export interface AuxiliaryFile {
  path: string;
  /** CRS as well-known text, or `EPSG:32650`. */
  crs: string | null;
  transform: Transform | null;
  /** Ground control points are there. */
  hasPoints: boolean;
  bands: BandStatement[];
  items: Record<string, string>;
}

const isRemote = (path: string): boolean => addressOf(path) !== null;

const readBeside = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(error.code ?? '')) return null;
    throw rasterFault(path, `cannot be read (${reason(error)})`, 'mend it or remove it');
  });

const numberIn = (node: XmlNode, name: string): number | null => {
  const [child] = children(node, name);
  const exact = attribute(child, 'le_hex_equiv');
  // the decimals may be cut
  if (exact && /^[0-9a-f]{16}$/i.test(exact)) return Buffer.from(exact, 'hex').readDoubleLE();
  return gdalNumber(textOf(child) ?? '');
};

const bandStatements = (dataset: XmlNode, bands: number): BandStatement[] => {
  const found = Array.from({ length: bands }, () => ({ ...silentBand }));
  for (const node of children(dataset, 'PAMRasterBand')) {
    const band = found[Number(attribute(node, 'band')) - 1];
    if (!band) continue;
    band.name = textOf(children(node, 'Description')[0]);
    band.colour = textOf(children(node, 'ColorInterp')[0])?.toLowerCase() ?? null;
    band.scale = numberIn(node, 'Scale');
    band.offset = numberIn(node, 'Offset');
    band.nodata = numberIn(node, 'NoDataValue');
  }
  return found;
};

/**
 * Reads `FILE.aux.xml` beside a local raster; null where there is none. A URL has none: asking would cost a request each.
 * @throws Fault where it cannot be read, is not XML or of another root
 */
export const readAuxiliary = async (path: string, bands: number): Promise<AuxiliaryFile | null> => {
  if (isRemote(path)) return null;
  const beside = `${path}.aux.xml`;
  const text = await readBeside(beside);
  if (text === null) return null;
  let root: XmlNode;
  try {
    root = await parseXml(text);
  } catch (error) {
    throw rasterFault(beside, `not XML (${reason(error)})`, 'mend it or remove it');
  }
  const [dataset] = children(root, 'PAMDataset');
  if (dataset === undefined) throw rasterFault(beside, 'its root is not PAMDataset', 'mend it or remove it');
  const numbers = (textOf(children(dataset, 'GeoTransform')[0]) ?? '').split(',').map(Number);
  return {
    path: beside,
    crs: textOf(children(dataset, 'SRS')[0]),
    transform:
      numbers.length === 6 && numbers.every(Number.isFinite) ? (numbers as unknown as Transform) : null,
    hasPoints: children(dataset, 'GCPList').length > 0,
    bands: bandStatements(dataset, bands),
    items: Object.fromEntries(
      children(dataset, 'Metadata')
        .flatMap((node) => children(node, 'MDI'))
        .map((item) => [attribute(item, 'key') ?? '', textOf(item) ?? '']),
    ),
  };
};

/**
 * The transform of a world file (`.tfw`, `.tifw`, `.wld` …) beside a local raster; null where there is none. Its six
 * lines are a, d, b, e and the place of the centre of the first pixel.
 * @throws Fault where it is not six numbers
 */
export const readWorldFile = async (path: string): Promise<Transform | null> => {
  if (isRemote(path)) return null;
  const extension = extname(path).slice(1);
  const stem = path.slice(0, path.length - extension.length);
  // tif: tfw, tifw
  const short = extension.length >= 3 ? `${extension[0]}${extension.at(-1)}w` : '';
  for (const ending of new Set([short, `${extension}w`, 'wld'])) {
    if (ending === '') continue;
    for (const name of new Set([`${stem}${ending}`, `${stem}${ending.toUpperCase()}`])) {
      const text = await readBeside(name);
      if (text === null) continue;
      const numbers = text
        .trim()
        .split(/\s+/)
        .map((word) => Number(word.replace(',', '.')));
      if (numbers.length < 6 || !numbers.slice(0, 6).every(Number.isFinite))
        throw rasterFault(name, 'not six numbers', 'mend it or remove it');
      const [a, d, b, e, x, y] = numbers;
      return [x - (a + b) / 2, a, b, y - (d + e) / 2, d, e];
    }
  }
  return null;
};

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Endings of the files beside a raster, whole name and all, that are read with it. */
export const sidecarEndings = ['.aux.xml', '.msk'] as const;

/** The files beside a local raster that are read with it. */
export const presentSidecars = async (path: string): Promise<string[]> => {
  if (isRemote(path)) return [];
  const names = sidecarEndings.map((ending) => `${path}${ending}`);
  const there = await Promise.all(names.map(isThere));
  return names.filter((_, index) => there[index]);
};

/** The mask that GDAL keeps beside a local raster, `FILE.msk`; null where there is none. */
export const maskFileOf = async (path: string): Promise<string | null> =>
  !isRemote(path) && (await isThere(`${path}.msk`)) ? `${path}.msk` : null;

/** Whether rational polynomial coefficients lie beside a local raster, as its vendor ships them. */
export const hasRpcFile = async (path: string): Promise<boolean> => {
  if (isRemote(path)) return false;
  const stem = join(dirname(path), path.slice(dirname(path).length).replace(/\.[^.]*$/, ''));
  for (const name of [`${stem}_RPC.TXT`, `${stem}_rpc.txt`, `${stem}.rpb`, `${stem}.RPB`])
    if ((await readBeside(name)) !== null) return true;
  return false;
};
