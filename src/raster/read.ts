import { Fault, reason } from '../fault.js';
import { type ByteSource, openBytes } from './byte-source.js';
import { crsOfText } from './crs.js';
import type { BandStatement } from './gdal-metadata.js';
import type { Georeference } from './georeference.js';
import { openGeoTiff } from './open-geotiff.js';
import type { ImageFile, OwnMask, Raster, RasterWindow } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';
import { type AuxiliaryFile, hasRpcFile, maskFileOf, readAuxiliary, readWorldFile } from './sidecars.js';

const jp2Signature = '0000000c6a5020200d0a870a';
const codestreamSignature = 'ff4fff51';

/** Formats that are known by their first bytes, or by how their text begins, and not read. */
const otherFormats: readonly (readonly [string | RegExp, string])[] = [
  [
    // after a byte order mark, a declaration, comments
    /^(?:ï»¿)?\s*<(?:[?!][\s\S]*<)?VRTDataset/,
    'a VRT, write what it describes as a file: gdal_translate IN.vrt OUT.tif',
  ],
  [/^\s*<(?:!DOCTYPE html|html)/i, 'a web page, give the address of the file itself'],
  [/^\s*<\?xml/, 'XML, give the image that it describes'],
  ['version https://git-lfs', 'a Git LFS pointer, fetch the file: git lfs pull'],
  ['\x89HDF', 'HDF5 or netCDF, write it as GeoTIFF with gdal_translate'],
  ['\x0e\x03\x13\x01', 'HDF4, write it as GeoTIFF with gdal_translate'],
  ['CDF', 'netCDF, write it as GeoTIFF with gdal_translate'],
  ['\x89PNG', 'PNG, give a GeoTIFF'],
  ['\xff\xd8\xff', 'JPEG, give a GeoTIFF'],
  ['PK\x03\x04', 'a zip archive, unpack it and give the folder (apply takes a zipped product as it is)'],
  ['\x1f\x8b', 'compressed by gzip, unpack it'],
];

const openImage = async (source: ByteSource): Promise<ImageFile> => {
  const head = Buffer.from(await source.read(0, 256));
  const hex = head.toString('hex');
  if (hex.startsWith(jp2Signature) || hex.startsWith(codestreamSignature))
    return (await import('./open-jpeg2000.js')).openJpeg2000(source);
  const text = head.toString('latin1');
  const other = otherFormats.find(([mark]) =>
    typeof mark === 'string' ? text.startsWith(mark) : mark.test(text),
  );
  if (other) throw new Fault(`raster: ${source.path}; ${other[1]}`);
  return openGeoTiff(source);
};

/** The file's word, or that of the file beside it: GDAL's order differs from field to field. */
const merged = (own: BandStatement, beside: BandStatement | undefined): BandStatement => {
  const hasUnits = own.scale !== null || own.offset !== null;
  return {
    name: beside?.name ?? own.name,
    colour: beside?.colour ?? own.colour,
    nodata: beside?.nodata ?? own.nodata,
    scale: hasUnits ? own.scale : (beside?.scale ?? null),
    offset: hasUnits ? own.offset : (beside?.offset ?? null),
  };
};

interface Place {
  georeference: Georeference | null;
  unheeded: string[];
}

const placeOf = async (image: ImageFile, beside: AuxiliaryFile | null): Promise<Place> => {
  const { path, place } = image;
  const unheeded: string[] = [];
  const named = beside?.crs ? crsOfText(beside.crs) : null;
  if (beside?.crs && named === null && place.geoKeys === null)
    unheeded.push(`CRS: ${beside.path} gives it without an EPSG code, which is not carried over`);
  const transform = beside?.transform ?? place.transform ?? (await readWorldFile(path));
  if (transform === null) {
    if (place.hasPoints || beside?.hasPoints)
      unheeded.push(
        `georeference: ${path} has ground control points, which are not used: the result has no place; warp it first (gdalwarp)`,
      );
    else if (place.geoKeys || beside?.crs)
      unheeded.push(`georeference: ${path} names a CRS but no place in it`);
  }
  if (place.hasRpc || (transform === null && (await hasRpcFile(path))))
    unheeded.push(
      `georeference: ${path} comes with rational polynomial coefficients (RPC), which are not used: it is not orthorectified; orthorectify it first (gdalwarp -rpc)`,
    );
  return {
    georeference: transform && {
      transform,
      epsg: named?.epsg ?? place.epsg,
      pixelIsArea: named ? true : place.pixelIsArea,
      geoKeys: named?.geoKeys ?? place.geoKeys,
    },
    unheeded,
  };
};

interface Validity {
  ownMask: OwnMask | null;
  read(window: RasterWindow): Promise<Uint8Array | null>;
}

/** A mask in the file goes before one beside it, and both before an alpha band. */
const validityOf = async (image: ImageFile, colours: readonly string[]): Promise<Validity> => {
  const { readMask, path, width, height } = image;
  if (readMask) return { ownMask: 'internal mask', read: readMask };
  const maskFile = await maskFileOf(path);
  if (maskFile) {
    const valid = async (window: RasterWindow | null): Promise<[number, number, Uint8Array]> => {
      const source = await openBytes(maskFile);
      try {
        const mask = await openGeoTiff(source);
        const [pixels] = window ? await mask.read({ window, bands: [1] }) : [[]];
        return [mask.width, mask.height, Uint8Array.from(pixels, (value) => (value === 0 ? 0 : 1))];
      } finally {
        await source.close();
      }
    };
    const [maskWidth, maskHeight] = await valid(null);
    if (maskWidth !== width || maskHeight !== height)
      throw rasterFault(
        maskFile,
        `${maskWidth} × ${maskHeight} pixels, ${path} has ${width} × ${height}`,
        'mend it or remove it',
      );
    return { ownMask: '.msk file', read: async (window) => (await valid(window))[2] };
  }
  const alpha = colours.indexOf('alpha');
  if (alpha < 0) return { ownMask: null, read: async () => null };
  return {
    ownMask: 'alpha band',
    read: async (window) => {
      const [pixels] = await image.read({ window, bands: [alpha + 1] });
      return Uint8Array.from(pixels, (value) => (value === 0 ? 0 : 1));
    },
  };
};

const rasterOf = async (source: ByteSource): Promise<Raster> => {
  const image = await openImage(source);
  const { path, width, height, type, blockSize, compression, read } = image;
  const beside = await readAuxiliary(path, image.statements.length);
  const bands = image.statements.map((own, band) => merged(own, beside?.bands[band]));
  const bad = bands.find(({ scale }) => scale === 0 || (scale !== null && !Number.isFinite(scale)));
  if (bad) throw rasterFault(path, `a scale of ${bad.scale}`, 'mend its scale (gdal_edit.py -scale)');
  const colours = bands.map(({ colour }) => colour ?? 'undefined');
  const { georeference, unheeded } = await placeOf(image, beside);
  const validity = await validityOf(image, colours);
  return {
    path,
    width,
    height,
    bands: bands.length,
    type,
    nodata: bands[0].nodata,
    bandNodata: bands.map(({ nodata }) => nodata),
    georeference,
    bandNames: bands.map(({ name }) => name ?? ''),
    colours,
    scale: bands.map(({ scale }) => scale ?? 1),
    offset: bands.map(({ offset }) => offset ?? 0),
    items: { ...image.items, ...beside?.items },
    ownMask: validity.ownMask,
    unheeded,
    blockSize,
    compression,
    read,
    readOwnMask: (window) => validity.read(window ?? [0, 0, width, height]),
    close: () => source.close(),
  };
};

/**
 * Opens a raster by path or http(s) URL, whatever its name: a GeoTIFF, or a JPEG 2000 of up to 16 bits. What it says of
 * itself is read once, from its own tags, from `FILE.aux.xml`, `FILE.msk` and a world file beside it (of a URL only from
 * the file), and taken as GDAL takes it.
 *
 * @throws Fault that names the file where it is missing, of another format, cut short, damaged or of a kind not read
 *   here; `read` throws the same where damage shows only then.
 */
export const openRaster = async (path: string): Promise<Raster> => {
  const source = await openBytes(path);
  try {
    return await rasterOf(source);
  } catch (error) {
    await source.close();
    throw error instanceof Fault ? error : damaged(path, `damaged: ${reason(error)}`);
  }
};

/** Opens a raster, hands it to `use` and closes it whatever happens. */
export const withRaster = async <T>(path: string, use: (raster: Raster) => Promise<T>): Promise<T> => {
  const raster = await openRaster(path);
  try {
    return await use(raster);
  } finally {
    await raster.close();
  }
};
