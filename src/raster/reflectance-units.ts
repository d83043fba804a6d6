/** How stored numbers become the model's units, reflectance × 10 000: value = stored · gain + offset. */
export interface Units {
  gain: number;
  offset: number;
  /** How they are known, for the record: `--boa-offset`, `MTD_MSIL2A.xml`, `scale and offset tags`. */
  origin: string;
  /** The offset in stored numbers and the stored value of reflectance 1. */
  boaOffset: number;
  scale: number;
}

/** What tags or a product's metadata say of one band; null where they are silent. */
export interface StatedUnits {
  boaOffset: number | null;
  scale: number | null;
  origin: string;
}

const modelScale = 10_000;

/** The model's own units: nothing to convert. */
export const modelUnits: Units = { gain: 1, offset: 0, origin: '', boaOffset: 0, scale: modelScale };

/**
 * Units by a band's scale and offset, null where they say nothing. They give reflectance, save a scale of 1 with an
 * offset of whole numbers, which leaves digital numbers (reflectance × 10 000) as some producers of Sentinel-2 write it.
 */
export const statedByTags = (scale: number, offset: number): StatedUnits | null => {
  if (scale === 1 && offset === 0) return null;
  const origin = 'scale and offset tags';
  if (scale === 1 && Math.abs(offset) >= 2) return { boaOffset: offset, scale: modelScale, origin };
  return {
    boaOffset: Math.round((offset / scale) * 1e6) / 1e6,
    scale: Math.round((1 / scale) * 1e6) / 1e6,
    origin,
  };
};

/** Units of a band by an offset and a scale that are known; the scale of products with such offsets is 10 000. */
export const unitsFrom = (boaOffset: number, scale: number | null, origin: string): Units => {
  const stored = scale ?? modelScale;
  const gain = modelScale / stored;
  return { gain, offset: boaOffset * gain, origin, boaOffset, scale: stored };
};

/** Reflectance in other units that was taken for × 10 000. */
export interface TakenForDark {
  holds: string;
  /** The stored value of reflectance 1: what to give. */
  scale: number;
  /** Nearly no value is above it, model units. */
  most: number;
}

/** Five ten-thousandths are darker than any surface. */
const asShares: TakenForDark = { holds: 'reflectance from 0 to 1', scale: 1, most: 5 };

/** No land is below one hundredth in every band; whole numbers might be of deep water. */
const inPercent: TakenForDark = { holds: 'reflectance in percent', scale: 100, most: 100 };

/** What values may be that are too dark for land, the darkest first; `isFloat`: they are stored as floats, as they are. */
export const takenForDark = (isFloat: boolean): readonly TakenForDark[] =>
  isFloat ? [asShares, inPercent] : [asShares];

/** Share of a band's values outside the model's range beyond which its units, not its land, must be strange. */
export const nearlyAll = 0.98;
