import { applyMapping, type Mapping, type Polynomial } from '../models/mapping.js';
import type { BandArray, SampleType } from '../raster/predictor.js';
import type { PixelType } from '../raster/raster.js';
import { codes, type PixelCoding } from './pixel-coding.js';

/** Sample types of an aligned scene. */
export type OutputType = Extract<SampleType, 'uint16' | 'int16' | 'float32'>;

export const outputArrays = { uint16: Uint16Array, int16: Int16Array, float32: Float32Array } as const;
const ranges = { uint16: [0, 65535], int16: [-32768, 32767] } as const;

/** As the input: floats stay floats, int16 stays int16, other integers become uint16. */
export const outputTypeOf = (input: PixelType): OutputType =>
  input === 'float32' || input === 'float64' ? 'float32' : input === 'int16' ? 'int16' : 'uint16';

/** Whether `nodata` can be written in `type`. */
export const holds = (type: OutputType, nodata: number): boolean =>
  type === 'float32'
    ? // a tag in decimals means the nearest float
      !Number.isFinite(nodata) || Number.isFinite(Math.fround(nodata))
    : Number.isInteger(nodata) && nodata >= ranges[type][0] && nodata <= ranges[type][1];

/** The whole number beside `nodata` that a valid pixel takes instead of it. */
export const besideNodata = (type: 'uint16' | 'int16', nodata: number | null): number =>
  nodata === null ? 0 : nodata < ranges[type][1] ? nodata + 1 : nodata - 1;

/**
 * Writes a model's outputs as stored samples: rounded half up and held to the type's range for integers. A valid
 * pixel whose result falls on nodata takes the value next to it, so that it stays valid.
 */
export const storedValue = (type: OutputType, nodata: number | null): ((value: number) => number) => {
  if (type === 'float32') {
    if (nodata === null || Number.isNaN(nodata)) return (value) => value;
    const beside = Math.fround(nodata + Math.max(1e-3, Math.abs(nodata) * 2 ** -22));
    return (value) => (value === nodata ? beside : value);
  }
  const [low, high] = ranges[type];
  const beside = besideNodata(type, nodata);
  return (value) => {
    const whole = Math.floor(value + 0.5);
    const held = Math.min(Math.max(whole, low), high);
    return held === nodata ? beside : held;
  };
};

/** What a mapping band by band makes of every code of each band: float32, the model's units. */
export const mappedCodes = (
  mapping: Exclude<Mapping, Polynomial>,
  codings: readonly PixelCoding[],
): Float32Array[] => {
  const source = new Float32Array(codings.length * codes);
  codings.forEach(({ values }, band) => {
    source.set(values, band * codes);
  });
  const out = new Float32Array(source.length);
  applyMapping(mapping, source, codes, out);
  return codings.map((_, band) => out.subarray(band * codes, (band + 1) * codes));
};

/** The stored sample of every code, nodata restored: what a scene without a conv module becomes by lookup alone. */
export const storedCodes = (
  mapped: readonly Float32Array[],
  codings: readonly PixelCoding[],
  type: OutputType,
  nodata: number | null,
): BandArray[] => {
  const store = storedValue(type, nodata);
  return mapped.map((values, band) => {
    const table = new outputArrays[type](codes);
    for (let code = 0; code < codes; code++) table[code] = store(values[code]);
    if (codings[band].nodata >= 0) table[codings[band].nodata] = nodata ?? Number.NaN;
    return table;
  });
};
