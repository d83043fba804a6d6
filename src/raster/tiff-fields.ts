import type { Georeference } from './georeference.js';
import type { SampleType } from './predictor.js';
import type { Compression } from './tiff-compression.js';
import { compressionCodes } from './tiff-compression.js';
import { type TiffField, tags } from './tiff-directory.js';

/** What GDAL calls a band's description, colour interpretation, scale and offset. */
export interface BandInfo {
  name?: string;
  /** Colour that viewers show it in. */
  colour?: 'Red' | 'Green' | 'Blue';
  /** Physical value = stored · scale + offset. */
  scale?: number;
  offset?: number;
}

/** A raster's nature, apart from its pixels. */
export interface RasterInfo {
  width: number;
  height: number;
  type: SampleType;
  bands: readonly BandInfo[];
  georeference: Georeference | null;
  /** Value that stands for "no data"; null for none. NaN is possible in float32. */
  nodata: number | null;
  /** Items of GDAL's metadata domain, e.g. `{ PROCESSING_BASELINE: '05.10' }`. */
  metadata?: Readonly<Record<string, string>>;
}

const bits = { uint8: 8, uint16: 16, int16: 16, float32: 32 } as const;
const formats = { uint8: 1, uint16: 1, int16: 2, float32: 3 } as const;

export const bytesPerSample = (type: SampleType): number => bits[type] / 8;

const colours: Readonly<Record<string, BandInfo['colour']>> = { red: 'Red', green: 'Green', blue: 'Blue' };

/** The colour of a band by its name, so that viewers show true colour by themselves. */
export const colourOf = (name: string): BandInfo['colour'] =>
  Object.hasOwn(colours, name.toLowerCase()) ? colours[name.toLowerCase()] : undefined;

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character]);

/** GDAL's metadata tag: an XML document with items of the image and of its bands (`sample` counts from 0). */
export const gdalMetadata = ({ bands, metadata = {} }: Pick<RasterInfo, 'bands' | 'metadata'>): string => {
  const item = (name: string, value: string, rest = ''): string =>
    // GDAL escapes values twice, and undoes it twice
    `  <Item name="${escapeXml(name)}"${rest}>${escapeXml(escapeXml(value))}</Item>\n`;
  const items = [
    ...Object.entries(metadata).map(([name, value]) => item(name, value)),
    ...bands.flatMap(({ name, colour, scale, offset }, sample) => {
      const role = (what: string): string => ` sample="${sample}" role="${what}"`;
      return [
        name === undefined ? '' : item('DESCRIPTION', name, role('description')),
        colour === undefined ? '' : item('COLORINTERP', colour, role('colorinterp')),
        scale === undefined ? '' : item('SCALE', String(scale), role('scale')),
        offset === undefined ? '' : item('OFFSET', String(offset), role('offset')),
      ];
    }),
  ].join('');
  return items === '' ? '' : `<GDALMetadata>\n${items}</GDALMetadata>\n`;
};

const georeferenceFields = ({ transform, pixelIsArea, geoKeys }: Georeference): TiffField[] => {
  const [left, a, b, top, d, e] = transform;
  // a file of points gives the place of its first sample, not of that sample's corner
  const x0 = pixelIsArea ? left : left + (a + b) / 2;
  const y0 = pixelIsArea ? top : top + (d + e) / 2;
  const fields: TiffField[] =
    b === 0 && d === 0 && a > 0 && e < 0
      ? [
          { tag: tags.modelPixelScale, type: 'double', values: [a, -e, 0] },
          { tag: tags.modelTiepoint, type: 'double', values: [0, 0, 0, x0, y0, 0] },
        ]
      : [
          {
            tag: tags.modelTransformation,
            type: 'double',
            values: [a, b, 0, x0, d, e, 0, y0, 0, 0, 0, 0, 0, 0, 0, 1],
          },
        ];
  if (geoKeys === null) return fields;
  fields.push({ tag: tags.geoKeyDirectory, type: 'short', values: geoKeys.directory });
  if (geoKeys.doubles.length > 0)
    fields.push({ tag: tags.geoDoubleParams, type: 'double', values: geoKeys.doubles });
  if (geoKeys.ascii !== '') fields.push({ tag: tags.geoAsciiParams, type: 'ascii', values: geoKeys.ascii });
  return fields;
};

/** What every directory of a file says about its pixels: full resolution or overview. */
export const imageFields = (
  info: RasterInfo,
  width: number,
  height: number,
  compression: Compression,
  predict: boolean,
): TiffField[] => {
  const samples = info.bands.length;
  const each = (value: number): number[] => Array<number>(samples).fill(value);
  const fields: TiffField[] = [
    { tag: tags.imageWidth, type: 'long', values: [width] },
    { tag: tags.imageLength, type: 'long', values: [height] },
    { tag: tags.bitsPerSample, type: 'short', values: each(bits[info.type]) },
    { tag: tags.compression, type: 'short', values: [compressionCodes[compression]] },
    { tag: tags.photometric, type: 'short', values: [1] },
    { tag: tags.samplesPerPixel, type: 'short', values: [samples] },
    { tag: tags.planarConfiguration, type: 'short', values: [1] },
    { tag: tags.sampleFormat, type: 'short', values: each(formats[info.type]) },
  ];
  if (samples > 1) fields.push({ tag: tags.extraSamples, type: 'short', values: each(0).slice(1) });
  if (predict) fields.push({ tag: tags.predictor, type: 'short', values: [info.type === 'float32' ? 3 : 2] });
  if (info.nodata !== null)
    fields.push({
      tag: tags.gdalNodata,
      type: 'ascii',
      values: Number.isNaN(info.nodata) ? 'nan' : String(info.nodata),
    });
  return fields;
};

/** What the first directory alone carries: place on Earth, names, scales, software. */
export const datasetFields = (info: RasterInfo): TiffField[] => {
  const metadata = gdalMetadata(info);
  return [
    { tag: tags.software, type: 'ascii', values: 'bandalign' },
    ...(info.georeference ? georeferenceFields(info.georeference) : []),
    ...(metadata === '' ? [] : [{ tag: tags.gdalMetadata, type: 'ascii', values: metadata } as const]),
  ];
};
