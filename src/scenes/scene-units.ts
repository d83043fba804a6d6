import { type StatedUnits, type Units, unitsFrom } from '../raster/reflectance-units.js';

interface Flags {
  boaOffset?: number;
  scale?: number;
}

/**
 * Units of a band by flag, else by what its file or product states; a text that says what is missing otherwise. Dates
 * decide nothing: old scenes are reprocessed, and providers differ on whether they have applied the offset.
 */
export const unitsOf = (name: string, flags: Flags, stated: StatedUnits | null): Units | string => {
  const boaOffset = flags.boaOffset ?? stated?.boaOffset ?? null;
  if (boaOffset === null)
    return `boa offset: unknown for ${name}; give --boa-offset -1000 for a Sentinel-2 product of baseline 04.00 or later as published, --boa-offset 0 for an older one or where the provider has applied it`;
  const byFlag = [
    flags.boaOffset === undefined ? '' : '--boa-offset',
    flags.scale === undefined ? '' : '--scale',
  ].filter(Boolean);
  const origin = [...byFlag, byFlag.length < 2 && stated ? stated.origin : ''].filter(Boolean).join(', ');
  return unitsFrom(boaOffset, flags.scale ?? stated?.scale ?? null, origin);
};
