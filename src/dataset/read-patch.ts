import { Fault, refuse } from '../fault.js';
import { bandsNamed } from '../raster/band-names.js';
import { dataBands } from '../raster/bands-of.js';
import { georeferenceConflict, shiftGeoreference } from '../raster/georeference.js';
import { nodataSample, type Pixels, type Raster } from '../raster/raster.js';
import { withRaster } from '../raster/read.js';
import {
  modelUnits,
  nearlyAll,
  statedByTags,
  type TakenForDark,
  takenForDark,
  unitsFrom,
} from '../raster/reflectance-units.js';
import { finerRaster } from '../raster/resampled-raster.js';
import type { BandUnits, Patch, PatchPixels, RasterRef } from './patch.js';

/** What reading a patch brought: pixels unless there are faults, and what is odd without being a fault. */
export interface PatchReport {
  pixels: PatchPixels | null;
  faults: string[];
  /** Those of the faults that say that a file holds other units. */
  unitFaults: string[];
  notes: string[];
  /** Types of source and target. */
  types: string[];
}

interface Image extends Pick<Raster, 'path' | 'type' | 'georeference' | 'ownMask' | 'unheeded'> {
  /** Where it begins in the file, pixels. */
  left: number;
  top: number;
  width: number;
  height: number;
  planes: Pixels[];
  /** For each plane. */
  nodata: readonly (number | null)[];
  units: readonly BandUnits[];
  /** 1 where the file's own mask says valid; null without one. */
  own: Uint8Array | null;
}

/** Units of a band by the file's own scale and offset. */
const unitsByTags = ({ scale, offset }: Pick<Raster, 'scale' | 'offset'>, band: number): BandUnits => {
  const stated = statedByTags(scale[band - 1], offset[band - 1]);
  return stated === null ? modelUnits : unitsFrom(stated.boaOffset ?? 0, stated.scale, stated.origin);
};

/** Bands of a file of the layout: in the layout's order, unless all are named and stand in another. */
const layoutBands = (raster: Raster, names: readonly string[]): readonly number[] => {
  const data = dataBands(raster);
  if (data.length !== names.length)
    throw new Fault(
      `raster: ${raster.path}; ${data.length} bands, it must have ${names.length} (${names.join(', ')})`,
    );
  if (names.length === 1 || raster.bandNames.every((name) => name === '')) return data;
  const named = bandsNamed(raster.bandNames, names, []);
  const of = names.map((name) => data.filter((band) => named[band - 1] === name));
  return of.every((found) => found.length === 1) ? of.map(([band]) => band) : data;
};

const readRef = (ref: RasterRef, names: readonly string[]): Promise<Image> =>
  withRaster(ref.path, async (opened) => {
    const raster = finerRaster(opened, ref.repeat ?? 1);
    const { path, type, georeference, width, height, ownMask, unheeded } = raster;
    const bands = ref.bands ?? layoutBands(raster, names);
    const [x, y, w, h] = ref.window ?? [0, 0, width, height];
    // all bands in their order is what the decoder does fastest
    const inOrder = bands.length === raster.bands && bands.every((band, index) => band === index + 1);
    return {
      path,
      type,
      ownMask,
      unheeded,
      georeference: georeference && shiftGeoreference(georeference, x, y),
      left: x,
      top: y,
      width: w,
      height: h,
      planes: await raster.read({ window: ref.window, bands: inOrder ? null : bands }),
      nodata: bands.map((band) => {
        const nodata = raster.bandNodata[band - 1];
        return nodata === null || nodata === undefined ? null : nodataSample(type, nodata);
      }),
      units: ref.units ?? bands.map((band) => unitsByTags(raster, band)),
      own:
        ownMask === null || bands.some((band) => raster.colours[band - 1] === 'alpha')
          ? null
          : await raster.readOwnMask(ref.window),
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

/** Pixels (1) where a band of `image` is nodata: any, or all of them. */
const nodataPixels = ({ planes, nodata }: Image, size: number, all: boolean): Uint8Array | null => {
  if (nodata.every((value) => value === null)) return null;
  const counts = new Uint8Array(size);
  for (const [band, plane] of planes.entries()) {
    const value = nodata[band];
    if (value === null) continue;
    if (Number.isNaN(value)) {
      for (let i = 0; i < size; i++) if (Number.isNaN(plane[i])) counts[i]++;
    } else for (let i = 0; i < size; i++) if (plane[i] === value) counts[i]++;
  }
  const least = all ? planes.length : 1;
  return counts.map((count) => (count >= least ? 1 : 0));
};

/** Clears `mask` where `invalid` is 1; returns how many valid pixels that takes. */
const exclude = (invalid: Uint8Array, mask: Uint8Array): number => {
  let count = 0;
  for (let i = 0; i < mask.length; i++)
    if (invalid[i] !== 0 && mask[i] !== 0) {
      mask[i] = 0;
      count++;
    }
  return count;
};

/**
 * Clears `mask` where an image says that a pixel is no data: by its nodata values and by its own mask, and, where no mask
 * file speaks for them, by NaN and infinity. Returns notes of pixels that a mask file has and an image has not.
 */
const excludeInvalid = (image: Image, mask: Uint8Array, hasMaskFile: boolean, any: boolean): string[] => {
  const { path, nodata, own, ownMask, planes, type } = image;
  const notes: string[] = [];
  const stated = [...new Set(nodata.filter((value) => value !== null))].join(', ');
  const partly = nodataPixels(image, mask.length, false);
  if (partly) {
    const all = hasMaskFile && !any ? nodataPixels(image, mask.length, true) : partly;
    const left = all ? exclude(all, mask) : 0;
    const kept = partly.reduce((sum, invalid, i) => sum + (invalid & mask[i]), 0);
    if (hasMaskFile && left > 0)
      notes.push(
        `raster: ${path}; ${left} pixels are nodata (${stated}) where the mask says valid: left out`,
      );
    if (kept > 0)
      notes.push(
        `raster: ${path}; ${kept} pixels are nodata (${stated}) in some bands where the mask says valid: taken as values`,
      );
  }
  if (own) {
    const left = exclude(
      own.map((valid) => 1 - valid),
      mask,
    );
    if (hasMaskFile && left > 0)
      notes.push(
        `raster: ${path}; ${left} pixels are invalid by its ${ownMask} where the mask says valid: left out`,
      );
  }
  if (!hasMaskFile && type.startsWith('float'))
    for (const plane of planes)
      for (let i = 0; i < mask.length; i++) if (!Number.isFinite(plane[i])) mask[i] = 0;
  return notes;
};

/** Whether a value of a mask file is valid. */
const maskTest = (ref: RasterRef, nodata: number | null): ((value: number) => boolean) => {
  const { valid } = ref;
  if (valid === undefined) return (value) => value > 0 && value !== nodata;
  if ('classes' in valid) {
    const classes = new Set(valid.classes);
    return (value) => classes.has(value) && value !== nodata;
  }
  const any = valid.bits.reduce((bits, bit) => bits | (1 << bit), 0);
  return (value) => value !== nodata && (value & any) === 0;
};

const inInt16 = new Set(['int8', 'uint8', 'int16']);

interface Misfit {
  value: number;
  at: number;
  /** Valid pixels that do not fit, this one among them. */
  count: number;
}

/** Puts one band into int16, converted and rounded; returns the first valid pixel that does not fit. */
const convert = (
  plane: Pixels,
  { gain, offset }: BandUnits,
  mask: Uint8Array,
  out: Int16Array,
): Misfit | null => {
  let misfit: Misfit | null = null;
  for (let i = 0; i < plane.length; i++) {
    const value = plane[i];
    const rounded = Math.round(value * gain + offset);
    const fits = rounded >= -32768 && rounded <= 32767;
    if (!fits && mask[i] !== 0) {
      if (misfit) misfit.count++;
      else misfit = { value, at: i, count: 1 };
    }
    out[i] = fits ? rounded : rounded > 0 ? 32767 : rounded < 0 ? -32768 : 0;
  }
  return misfit;
};

const asStored = ({ gain, offset }: BandUnits): boolean => gain === 1 && offset === 0;

/** The units that fractions may have nearly all of which are too dark for reflectance × 10 000. */
const otherUnits = ({ type, planes, units }: Image, mask: Uint8Array): TakenForDark | undefined => {
  const isPlain = units.every(asStored);
  if (isPlain && !type.startsWith('float')) return undefined;
  const suspects = takenForDark(isPlain).map((other) => ({ ...other, values: 0 }));
  let [all, fractions] = [0, 0];
  for (const [band, plane] of planes.entries()) {
    const { gain, offset } = units[band];
    for (let i = 0; i < plane.length; i++) {
      if (mask[i] === 0) continue;
      const value = plane[i] * gain + offset;
      all++;
      for (const suspect of suspects) if (Math.abs(value) <= suspect.most) suspect.values++;
      if (Number.isFinite(value) && !Number.isInteger(value)) fractions++;
    }
  }
  return fractions > 0 ? suspects.find(({ values }) => values >= 0.95 * all) : undefined;
};

const toInt16 = (
  image: Image,
  names: readonly string[],
  mask: Uint8Array,
  faults: string[],
  unitFaults: string[],
): Int16Array => {
  const { planes, left, top, width, path, units } = image;
  const size = mask.length;
  const out = new Int16Array(planes.length * size);
  const other = otherUnits(image, mask);
  if (other) {
    const { holds, scale } = other;
    unitFaults.push(
      `raster: ${path}; ${holds}, multiply it by ${10_000 / scale} (of a pair: data.pair.scale=${scale}, of its target data.pair.targetScale=${scale})`,
    );
    return out;
  }
  const valid = mask.reduce((sum, one) => sum + one, 0);
  for (const [band, plane] of planes.entries()) {
    const target = out.subarray(band * size, (band + 1) * size);
    if (asStored(units[band]) && inInt16.has(image.type)) {
      target.set(plane);
      continue;
    }
    const misfit = convert(plane, units[band], mask, target);
    if (!misfit) continue;
    const { value, at, count } = misfit;
    if (!asStored(units[band]) && count > nearlyAll * valid) {
      const { gain, offset } = units[band];
      unitFaults.push(
        `raster: ${path}; band ${names[band]} is beyond int16 in ${count} of ${valid} valid pixels (${value} · ${gain} + ${offset}): its scale and offset are not those of reflectance; of a pair set data.pair.scale or data.pair.targetScale`,
      );
      continue;
    }
    const place = `column ${left + (at % width)}, row ${top + Math.floor(at / width)}`;
    const more = count > 1 ? ` and in ${count - 1} more valid pixels` : '';
    const what = Number.isFinite(value) ? `is ${value}, beyond int16,` : `is ${value}`;
    faults.push(`raster: ${path}; band ${names[band]} ${what} at ${place}${more}: mask it`);
  }
  return out;
};

/**
 * Reads a patch and tells everything that is wrong with it.
 *
 * A pixel is valid where the mask file says so (above 0 and not its nodata, or as `mask.valid` says), where no image's
 * own mask (internal, .msk, alpha) says otherwise, and where no band of source or target is nodata. With a mask file a
 * pixel is nodata only where all bands of an image are, unless `anyNodata`. Values are brought to reflectance × 10 000 by
 * the files' scale and offset and rounded to int16; those of invalid pixels are saturated.
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
  if (!source || !target || faults.length > 0)
    return { pixels: null, faults, unitFaults: [], notes: [], types };

  const { width, height } = source;
  const mask = new Uint8Array(width * height);
  const notes = [source, target].flatMap(({ unheeded }) => unheeded);
  if (validity && patch.mask) {
    const [plane] = validity.planes;
    const isValid = maskTest(patch.mask, validity.nodata[0]);
    for (let i = 0; i < mask.length; i++) mask[i] = isValid(plane[i]) ? 1 : 0;
    if (validity.own)
      exclude(
        validity.own.map((valid) => 1 - valid),
        mask,
      );
  } else mask.fill(1);
  for (const image of [source, target])
    notes.push(...excludeInvalid(image, mask, validity !== null, patch.anyNodata === true));
  const unitFaults: string[] = [];
  const pixels: PatchPixels = {
    width,
    height,
    bands: bands.length,
    source: toInt16(source, bands, mask, faults, unitFaults),
    target: toInt16(target, bands, mask, faults, unitFaults),
    mask,
  };
  faults.unshift(...unitFaults);
  return { pixels: faults.length > 0 ? null : pixels, faults, unitFaults, notes, types };
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
