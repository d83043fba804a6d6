import { readFile } from 'node:fs/promises';
import { Fault, reason } from '../fault.js';
import { bandId } from '../raster/band-names.js';
import type { StatedUnits } from '../raster/reflectance-units.js';
import { attribute, elements, parseXml, textOf, type XmlNode } from '../raster/xml.js';

/** What matters here of a Sentinel-2 product's MTD_MSIL2A.xml (S2 product specification, L2A user product). */
export interface ProductMetadata {
  path: string;
  /** What says so, for messages. */
  origin: 'MTD_MSIL2A.xml' | 'STAC item';
  /** e.g. `05.10`; null where absent. */
  baseline: string | null;
  product: string | null;
  /** Start of sensing, ISO 8601. */
  datetime: string | null;
  /** BOA_QUANTIFICATION_VALUE. */
  scale: number | null;
  /** BOA_ADD_OFFSET by band id; empty before baseline 04.00. */
  offsets: ReadonlyMap<number, number>;
  /** Stored value of no data. */
  nodata: number | null;
  /** IMAGE_FILE: band files without extension, relative to the product's folder. */
  images: readonly string[];
}

export const metadataName = 'MTD_MSIL2A.xml';

const numberOf = (text: string | null): number | null =>
  text === null || text === '' || Number.isNaN(Number(text)) ? null : Number(text);

/**
 * Reads MTD_MSIL2A.xml.
 * @throws Fault where it is not XML or not that of a Level-2A product
 */
export const readProductMetadata = async (path: string): Promise<ProductMetadata> => {
  let root: XmlNode;
  try {
    root = await parseXml(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Fault(`product metadata: ${path}; not XML (${reason(error)}): fetch it again`);
  }
  if (elements(root, 'Level-2A_User_Product').length === 0)
    throw new Fault(`product metadata: ${path}; not of a Level-2A product: surface reflectance is needed`);
  const first = (name: string): string | null => textOf(elements(root, name)[0] ?? null);
  const special = elements(root, 'Special_Values').find((node) =>
    elements(node, 'SPECIAL_VALUE_TEXT').some((text) => textOf(text) === 'NODATA'),
  );
  return {
    path,
    origin: metadataName,
    baseline: first('PROCESSING_BASELINE'),
    product: first('PRODUCT_URI'),
    datetime: first('DATATAKE_SENSING_START') ?? first('PRODUCT_START_TIME'),
    scale: numberOf(first('BOA_QUANTIFICATION_VALUE')),
    offsets: new Map(
      elements(root, 'BOA_ADD_OFFSET').flatMap((node): [number, number][] => {
        const id = numberOf(attribute(node, 'band_id'));
        const offset = numberOf(textOf(node));
        return id === null || offset === null ? [] : [[id, offset]];
      }),
    ),
    nodata: special === undefined ? null : numberOf(textOf(elements(special, 'SPECIAL_VALUE_INDEX')[0])),
    images: elements(root, 'IMAGE_FILE').flatMap((node) => textOf(node) ?? []),
  };
};

/** Units of one band by these metadata. A baseline before 04.00 has no offset; a later one must state it. */
export const statedByProduct = (metadata: ProductMetadata, band: string): StatedUnits => {
  const stated = metadata.offsets.get(bandId(band));
  const before = metadata.baseline !== null && Number(metadata.baseline) < 4;
  return {
    boaOffset: stated ?? (before && metadata.offsets.size === 0 ? 0 : null),
    scale: metadata.scale,
    origin: metadata.origin,
  };
};
