/** How stored numbers become the model's units: value = stored · gain + offset, reflectance × 10 000. */
export interface Units {
  gain: number;
  offset: number;
  /** Whence they are known, for the record: `--boa-offset`, `MTD_MSIL2A.xml`, `scale and offset tags`. */
  origin: string;
  /** The offset in stored numbers and the stored value of reflectance 1. */
  boaOffset: number;
  scale: number;
}

/** What a product's metadata say of one band; null where they are silent. */
export interface StatedUnits {
  boaOffset: number | null;
  scale: number | null;
  origin: string;
}

interface Flags {
  boaOffset?: number;
  scale?: number;
}

const modelScale = 10_000;

/** GDAL's scale and offset tags, where they say anything. */
export const statedByTags = (scale: number, offset: number): StatedUnits | null =>
  scale === 1 && offset === 0
    ? null
    : // physical = scale·stored + offset
      {
        boaOffset: Math.round((offset / scale) * 1e6) / 1e6,
        scale: Math.round((1 / scale) * 1e6) / 1e6,
        origin: 'scale and offset tags',
      };

/**
 * Units of a band by flag, else by metadata; a text that says what is missing otherwise. An offset alone implies
 * the scale of the products that have such offsets, 10 000. Dates decide nothing: old scenes are reprocessed and
 * providers differ on whether they applied the offset.
 */
export const unitsOf = (name: string, flags: Flags, stated: StatedUnits | null): Units | string => {
  const boaOffset = flags.boaOffset ?? stated?.boaOffset ?? null;
  if (boaOffset === null)
    return `boa offset: unknown for ${name}; give --boa-offset -1000 for a Sentinel-2 product of baseline 04.00 or later as published, --boa-offset 0 for an older one or where the provider has applied it`;
  const scale = flags.scale ?? stated?.scale ?? modelScale;
  const byFlag = [
    flags.boaOffset === undefined ? '' : '--boa-offset',
    flags.scale === undefined ? '' : '--scale',
  ].filter(Boolean);
  const origin = [...byFlag, byFlag.length < 2 && stated ? stated.origin : ''].filter(Boolean).join(', ');
  const gain = modelScale / scale;
  return { gain, offset: boaOffset * gain, origin, boaOffset, scale };
};
