import { nodataSample, type Pixels, type PixelType } from '../raster/raster.js';
import type { Units } from '../raster/reflectance-units.js';

/**
 * A 16-bit code for every stored value of a band, so that whatever is computed value by value (units, LUT, counts,
 * rounding) is one table of 65 536 entries, and pixels only index it.
 */
export interface PixelCoding {
  /** The model's units for each code. Code `nodata` holds 0: what the neighbours of nodata see. */
  values: Float32Array;
  /** −1: there is none. */
  nodata: number;
  encode(pixels: Pixels): Uint16Array;
}

export const codes = 65536;

/** The bits of 16-bit samples, signed or not. */
export const bitsOf = ({ buffer, byteOffset, length }: Pixels): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length);

/** Non-integer types are rounded to whole units; code = value + this. */
const bias = 16384;

const exact = (
  stored: (code: number) => number,
  units: Units,
  nodata: number | null,
  spare: number,
  encode: PixelCoding['encode'],
): PixelCoding => {
  const values = Float32Array.from({ length: codes }, (_, code) => stored(code) * units.gain + units.offset);
  let empty = spare;
  if (nodata !== null) for (let code = 0; code < codes; code++) if (stored(code) === nodata) empty = code;
  if (empty >= 0) values[empty] = 0;
  return { values, nodata: empty, encode };
};

const rounded = (units: Units, nodata: number | null): PixelCoding => {
  const empty = codes - 1;
  const values = Float32Array.from({ length: codes }, (_, code) => code - bias);
  values[empty] = 0;
  const none = nodata ?? Number.NaN;
  return {
    values,
    nodata: empty,
    encode: (pixels) => {
      const out = new Uint16Array(pixels.length);
      for (let i = 0; i < pixels.length; i++) {
        const stored = pixels[i];
        if (stored === none || !Number.isFinite(stored)) out[i] = empty;
        else {
          const code = Math.round(stored * units.gain + units.offset) + bias;
          out[i] = code < 0 ? 0 : code >= empty ? empty - 1 : code;
        }
      }
      return out;
    },
  };
};

/**
 * The coding of a band. 8- and 16-bit integers are exact; wider types and floats are rounded to whole units of
 * reflectance × 10 000 and held to −16 384 … 49 150, far beyond any LUT. NaN and infinity count as nodata.
 *
 * @param needsNodata pixels of this band may be masked: there is a code of nodata even without such a value, the
 *   type's extreme
 */
export const pixelCoding = (
  type: PixelType,
  units: Units,
  nodata: number | null,
  needsNodata: boolean,
): PixelCoding => {
  const spare = (code: number): number => (needsNodata ? code : -1);
  switch (type) {
    case 'uint16':
      return exact((code) => code, units, nodata, spare(0xffff), bitsOf);
    case 'int16':
      return exact((code) => (code << 16) >> 16, units, nodata, spare(0x8000), bitsOf);
    case 'uint8':
    case 'int8':
      return exact(
        (code) => (code << 16) >> 16,
        units,
        nodata,
        // no byte comes to it
        spare(0x4000),
        (pixels) => Uint16Array.from(pixels),
      );
    default:
      return rounded(units, nodata === null ? null : nodataSample(type, nodata));
  }
};
