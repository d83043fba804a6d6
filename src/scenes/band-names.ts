/** Names under which a band goes, the model's first; Sentinel-2's numbers (MSI user guide). */
const synonyms: readonly (readonly string[])[] = [
  ['coastal', 'B01', 'B1'],
  ['blue', 'B02', 'B2'],
  ['green', 'B03', 'B3'],
  ['red', 'B04', 'B4'],
  ['rededge1', 'B05', 'B5'],
  ['rededge2', 'B06', 'B6'],
  ['rededge3', 'B07', 'B7'],
  ['nir', 'B08', 'B8'],
  ['nir08', 'B8A', 'narrownir'],
  ['nir09', 'B09', 'B9'],
  ['cirrus', 'B10'],
  ['swir1', 'swir16', 'B11'],
  ['swir2', 'swir22', 'B12'],
];

/** Sentinel-2's band ids as metadata number them (`band_id` of BOA_ADD_OFFSET). */
const bandIds = ['B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B10', 'B11', 'B12'];

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const namesOf = (band: string): readonly string[] =>
  synonyms.find((names) => names.some((name) => same(name, band))) ?? [band];

/** Position of a band in Sentinel-2 metadata; −1 for a band that it does not have. */
export const bandId = (band: string): number =>
  bandIds.findIndex((id) => namesOf(band).some((name) => same(name, id)));

/** Whether `text`, a band description or a file's name, names `band` as a word of its own. */
export const namesBand = (text: string, band: string): boolean =>
  text.split(/[^A-Za-z0-9]+/).some((word) => namesOf(band).some((name) => same(word, name)));

/**
 * Which of `texts` names which of `bands`: the index for each band, null where none does. Several that do are all
 * returned, for the caller to choose or refuse.
 */
export const findBands = (texts: readonly string[], bands: readonly string[]): number[][] =>
  bands.map((band) => texts.flatMap((text, index) => (namesBand(text, band) ? [index] : [])));
