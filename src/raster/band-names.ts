/** Words for bands that mean the same whatever the sensor, in lower case without separators. */
const words: ReadonlyMap<string, string> = new Map(
  [
    ['coastal', 'coastal', 'coastalaerosol', 'coastalblue', 'aerosol', 'aerosols', 'ultrablue'],
    ['blue', 'blue'],
    ['green', 'green'],
    ['green1', 'greeni', 'green1'],
    ['yellow', 'yellow'],
    ['red', 'red'],
    ['rededge', 'rededge', 'vegetationrededge'],
    ['rededge1', 'rededge1', 'rededge071', 're1', 'vre1'],
    ['rededge2', 'rededge2', 'rededge075', 're2', 'vre2'],
    ['rededge3', 'rededge3', 'rededge078', 're3', 'vre3'],
    ['nir', 'nir', 'nir1', 'broadnir', 'nearinfrared', 'nearir'],
    ['nir08', 'nir08', 'narrownir', 'nnir', 'nirnarrow', 'nir2'],
    ['nir09', 'nir09', 'watervapour', 'watervapor'],
    ['cirrus', 'cirrus'],
    ['swir1', 'swir1', 'swir16'],
    ['swir2', 'swir2', 'swir22'],
    ['pan', 'pan', 'panchromatic'],
    ['thermal', 'thermal', 'lwir11', 'lwir12', 'tirs1', 'tirs2'],
  ].flatMap(([band, ...names]) => names.map((name) => [name, band] as const)),
);

type Sensor = 'Sentinel-2' | 'Landsat 8/9' | 'Landsat 4–7' | 'GF-1';

/** Bands by number, as each mission counts them; numbers may be written with a zero. */
const numbered: Readonly<Record<Sensor, Readonly<Record<string, string>>>> = {
  'Sentinel-2': {
    b1: 'coastal',
    b2: 'blue',
    b3: 'green',
    b4: 'red',
    b5: 'rededge1',
    b6: 'rededge2',
    b7: 'rededge3',
    b8: 'nir',
    b8a: 'nir08',
    b9: 'nir09',
    b10: 'cirrus',
    b11: 'swir1',
    b12: 'swir2',
  },
  'Landsat 8/9': {
    b1: 'coastal',
    b2: 'blue',
    b3: 'green',
    b4: 'red',
    b5: 'nir',
    b6: 'swir1',
    b7: 'swir2',
    b8: 'pan',
    b9: 'cirrus',
    b10: 'thermal',
    b11: 'thermal',
  },
  'Landsat 4–7': {
    b1: 'blue',
    b2: 'green',
    b3: 'red',
    b4: 'nir',
    b5: 'swir1',
    b6: 'thermal',
    b7: 'swir2',
    b8: 'pan',
  },
  'GF-1': { b1: 'blue', b2: 'green', b3: 'red', b4: 'nir' },
};

const byNumber = (sensor: Sensor, id: string): string | undefined =>
  Object.hasOwn(numbered[sensor], id) ? numbered[sensor][id] : undefined;

/** How files and bands of a mission are called. */
const marks: readonly (readonly [RegExp, Sensor])[] = [
  [
    /(?<![a-z0-9])(?:l[co]0?[89]|oli|oli2|l30|landsat[ _-]?[89])(?![a-z0-9])|(?<![a-z0-9])sr_b6/i,
    'Landsat 8/9',
  ],
  [/(?<![a-z0-9])(?:l[te]0?[457]|etm|tm|landsat[ _-]?[4-7])(?![a-z0-9])/i, 'Landsat 4–7'],
  [/(?<![a-z0-9])gf1(?![0-9])/i, 'GF-1'],
  [
    /(?<![a-z0-9])(?:s2[abcd]?|s2[abcd]_msil[12][ac]|msil2a|sen2[abcd]?|s30|sentinel-?2[abcd]?|t\d{2}[a-z]{3})(?![a-z0-9])|(?<![a-z0-9])b8a(?![a-z0-9])|(?<![a-z0-9])b12(?![a-z0-9])/i,
    'Sentinel-2',
  ],
];

/** The mission that names of files and bands speak of; Sentinel-2, the model's source, where they speak of none or of several. */
const sensorOf = (texts: readonly string[]): Sensor => {
  const all = texts.join(' ');
  const found = marks.filter(([mark]) => mark.test(all));
  // HLS names a Landsat product by Sentinel-2's tile
  return found[0]?.[1] ?? 'Sentinel-2';
};

/** Bands that a text names: words of their own, two that belong together first. */
const bandsIn = (text: string, sensor: Sensor): string[] => {
  const parts = text
    // Landsat's Collection 1; a bare "band4" is but the fourth
    .replace(/sr_band(?=\d)/i, 'b')
    .replace(/([a-z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '');
  const found = new Set<string>();
  const meaning = (word: string): string | undefined =>
    words.get(word) ?? byNumber(sensor, word.replace(/^b0+(?=\d)/, 'b'));
  for (let at = 0; at < parts.length; at++) {
    const pair = at + 1 < parts.length ? words.get(parts[at] + parts[at + 1]) : undefined;
    const triple = at + 2 < parts.length ? words.get(parts[at] + parts[at + 1] + parts[at + 2]) : undefined;
    const band = triple ?? pair ?? meaning(parts[at]);
    if (band) found.add(band);
    at += triple ? 2 : pair ? 1 : 0;
  }
  return [...found];
};

const canonical = (name: string): string => bandsIn(name, 'Sentinel-2')[0] ?? name.toLowerCase();

const namesLiterally = (text: string, name: string): boolean =>
  text.split(/[^A-Za-z0-9]+/).some((word) => word.toLowerCase() === name.toLowerCase());

/**
 * What each of `texts`, descriptions of bands or names of files, names: a model's band, another band that is known, or
 * nothing. `context` (a path, a product's name) helps to tell the mission, which counts its bands in its own way.
 */
export const bandsNamed = (
  texts: readonly string[],
  names: readonly string[],
  context: readonly string[],
): (string | null)[] => {
  const sensor = sensorOf([...texts, ...context]);
  const of = new Map(names.map((name) => [canonical(name), name]));
  // FORCE calls B8A NIR where it has B08 as BROADNIR
  const hasBroad = texts.some((text) => /broad[ _-]?nir/i.test(text));
  return texts.map((text) => {
    const literal = names.find((name) => namesLiterally(text, name) && !bandsIn(name, sensor)[0]);
    if (literal) return literal;
    const found = bandsIn(text, sensor).map((band) =>
      hasBroad && band === 'nir' && !/broad/i.test(text) ? 'nir08' : band,
    );
    if (found.length !== 1) return null;
    return of.get(found[0]) ?? found[0];
  });
};

/** Sentinel-2's band ids as metadata number them (`band_id` of BOA_ADD_OFFSET). */
const bandIds = ['B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B10', 'B11', 'B12'];

/** Position of a band in Sentinel-2 metadata; −1 for a band that it does not have. */
export const bandId = (band: string): number => bandIds.findIndex((id) => canonical(id) === canonical(band));

/** Sentinel-2's name of a band, `B02`; the band's own where it has none. */
export const sentinelName = (band: string): string => bandIds[bandId(band)] ?? band;
