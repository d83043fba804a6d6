import { Fault, refuse } from '../fault.js';
import { georeferenceConflict, shiftGeoreference } from '../raster/georeference.js';
import type { Pixels, Raster } from '../raster/raster.js';
import { withRaster } from '../raster/read.js';
import type { Patch, PatchPixels, RasterRef } from './patch.js';

/** What reading a patch brought: pixels unless there are faults, and what is odd without being a fault. */
export interface PatchReport {
  pixels: PatchPixels | null;
  faults: string[];
  notes: string[];
  /** Types of source and target. */
  types: string[];
}

interface Image extends Pick<Raster, 'path' | 'type' | 'nodata' | 'georeference'> {
  width: number;
  height: number;
  planes: Pixels[];
}

const readRef = (ref: RasterRef, bands: readonly string[]): Promise<Image> =>
  withRaster(ref.path, async (raster) => {
    const { path, type, nodata, georeference, width, height } = raster;
    if (ref.bands === null && raster.bands !== bands.length)
      throw new Fault(
        `raster: ${path}; ${raster.bands} bands, it must have ${bands.length} (${bands.join(', ')})`,
      );
    const [x, y, w, h] = ref.window ?? [0, 0, width, height];
    return {
      path,
      type,
      nodata,
      georeference: georeference && shiftGeoreference(georeference, x, y),
      width: w,
      height: h,
      planes: await raster.read({ window: ref.window, bands: ref.bands }),
    };
  });

const disagreement = (first: Image, second: Image): string[] => {
  if (first.width !== second.width || first.height !== second.height)
    return [
      `raster: ${second.path}; ${second.width} × ${second.height} pixels, ${first.path} has ${first.width} × ${first.height}`,
    ];
  const conflict = georeferenceConflict(first.georeference, second.georeference, first.width, first.height);
  return conflict ? [`raster: ${second.path}; lies elsewhere than ${first.path} (${conflict})`] : [];
};

const isNodata = (value: number, nodata: number): boolean =>
  Number.isNaN(nodata) ? Number.isNaN(value) : value === nodata;

/** Clears `mask` where any band of `image` is nodata. */
const excludeNodata = ({ planes, nodata }: Image, mask: Uint8Array): void => {
  if (nodata === null) return;
  for (const plane of planes)
    for (let i = 0; i < mask.length; i++) if (isNodata(plane[i], nodata)) mask[i] = 0;
};

const nodataNotes = (image: Image, mask: Uint8Array): string[] => {
  const copy = mask.slice();
  excludeNodata(image, copy);
  const count = copy.reduce((sum, valid, i) => sum + mask[i] - valid, 0);
  return count === 0
    ? []
    : [`raster: ${image.path}; ${count} pixels are nodata (${image.nodata}) where the mask says valid`];
};

const inInt16 = new Set(['int8', 'uint8', 'int16']);

interface Misfit {
  value: number;
  at: number;
  /** Valid pixels that do not fit, this one among them. */
  count: number;
}

/** Puts one band into int16, rounded; returns the first valid pixel that does not fit. */
const convert = (plane: Pixels, mask: Uint8Array, out: Int16Array): Misfit | null => {
  let misfit: Misfit | null = null;
  for (let i = 0; i < plane.length; i++) {
    const value = plane[i];
    const rounded = Math.round(value);
    const fits = rounded >= -32768 && rounded <= 32767;
    if (!fits && mask[i] !== 0) {
      if (misfit) misfit.count++;
      else misfit = { value, at: i, count: 1 };
    }
    out[i] = fits ? rounded : rounded > 0 ? 32767 : rounded < 0 ? -32768 : 0;
  }
  return misfit;
};

const looksLikeShares = ({ type, planes }: Image, mask: Uint8Array): boolean => {
  if (!type.startsWith('float')) return false;
  let fractions = false;
  for (const plane of planes)
    for (let i = 0; i < plane.length; i++) {
      if (mask[i] === 0) continue;
      if (plane[i] > 2) return false;
      fractions ||= plane[i] > 0 && plane[i] < 1;
    }
  return fractions;
};

const toInt16 = (image: Image, bands: readonly string[], mask: Uint8Array, faults: string[]): Int16Array => {
  const { planes, width, path } = image;
  const size = mask.length;
  const out = new Int16Array(planes.length * size);
  if (looksLikeShares(image, mask)) {
    faults.push(`raster: ${path}; reflectance from 0 to 1, multiply it by 10000`);
    return out;
  }
  for (const [band, plane] of planes.entries()) {
    const target = out.subarray(band * size, (band + 1) * size);
    if (inInt16.has(image.type)) {
      target.set(plane);
      continue;
    }
    const misfit = convert(plane, mask, target);
    if (!misfit) continue;
    const { value, at, count } = misfit;
    const place = `column ${at % width}, row ${Math.floor(at / width)}`;
    const more = count > 1 ? ` and in ${count - 1} more valid pixels` : '';
    const what = Number.isFinite(value) ? `is ${value}, beyond int16,` : `is ${value}`;
    faults.push(`raster: ${path}; band ${bands[band]} ${what} at ${place}${more}: mask it`);
  }
  return out;
};

/**
 * Reads a patch and tells everything that is wrong with it.
 *
 * Where the patch has a mask, the mask alone says what is valid (> 0; the paper's layout): nodata tags are then only
 * noted. Without one, a pixel is valid where no band of source or target is nodata. Samples that are not int16 are
 * rounded to the nearest integer; those under the mask are saturated.
 */
export const inspectPatch = async (patch: Patch, bands: readonly string[]): Promise<PatchReport> => {
  const faults: string[] = [];
  const opened = await Promise.all(
    (
      [
        [patch.source, bands],
        [patch.target, bands],
        [patch.mask, ['mask']],
      ] as const
    ).map(async ([ref, names]) => {
      try {
        return ref && (await readRef(ref, names));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        faults.push(...error.faults);
        return null;
      }
    }),
  );
  const [source, target, validity] = opened;
  const types = [source, target].flatMap((image) => image?.type ?? []);
  if (source && target) faults.push(...disagreement(source, target));
  const reference = source ?? target;
  if (reference && validity) faults.push(...disagreement(reference, validity));
  if (!source || !target || faults.length > 0) return { pixels: null, faults, notes: [], types };

  const { width, height } = source;
  const mask = new Uint8Array(width * height);
  const notes: string[] = [];
  if (validity) {
    const [plane] = validity.planes;
    for (let i = 0; i < mask.length; i++) mask[i] = plane[i] > 0 ? 1 : 0;
    notes.push(...nodataNotes(source, mask), ...nodataNotes(target, mask));
  } else {
    mask.fill(1);
    excludeNodata(source, mask);
    excludeNodata(target, mask);
  }
  const pixels: PatchPixels = {
    width,
    height,
    bands: bands.length,
    source: toInt16(source, bands, mask, faults),
    target: toInt16(target, bands, mask, faults),
    mask,
  };
  return { pixels: faults.length > 0 ? null : pixels, faults, notes, types };
};

/**
 * The pixels of a patch: `source` and `target` [bands, height, width] int16, `mask` [height, width].
 * @throws Fault with everything that is wrong with its files; see {@link inspectPatch} for what counts as valid.
 */
export const readPatch = async (patch: Patch, bands: readonly string[]): Promise<PatchPixels> => {
  const { pixels, faults } = await inspectPatch(patch, bands);
  refuse(faults);
  return pixels as PatchPixels;
};
