/** Sensors that are known by name: the family, how its satellites are spelt, and how the family is shown. */
interface Family {
  family: string;
  label: string;
  /** Matches a platform's name in lower case without spaces, dashes and underscores; group 1 is the satellite. */
  spelling: RegExp;
  platform: (satellite: string) => string;
}

const families: readonly Family[] = [
  {
    family: 's2',
    label: 'Sentinel-2',
    spelling: /^(?:sentinel2|s2)([a-d]?)(?:msi|l1c|l2a)?$/,
    platform: (satellite) => `s2${satellite}`,
  },
  {
    family: 'gf1',
    label: 'GF-1 WFV',
    spelling: /^(?:gaofen1|gf1)([b-d]?)(?:wfv[1-4x]?|ard)?$/,
    platform: (satellite) => `gf1${satellite}`,
  },
  {
    family: 'gf6',
    label: 'GF-6 WFV',
    spelling: /^(?:gaofen6|gf6)()(?:wfv)?$/,
    platform: () => 'gf6',
  },
  {
    family: 'landsat',
    label: 'Landsat',
    spelling: /^(?:landsat|l[ceot]?)0?([45789]?)(?:oli|oli2|etm|tm)?$/,
    platform: (satellite) => (satellite === '' ? 'landsat' : `landsat-${satellite}`),
  },
  {
    family: 'hls',
    label: 'HLS',
    spelling: /^hls([ls]30)?$/,
    platform: (satellite) => (satellite === '' ? 'hls' : `hls-${satellite}`),
  },
  {
    family: 'modis',
    label: 'MODIS',
    spelling: /^(?:modis)?(terra|aqua)?$/,
    platform: (satellite) => (satellite === '' ? 'modis' : `modis-${satellite}`),
  },
];

const plain = (text: string): string => text.toLowerCase().replace(/[\s_-]+/g, '');

/** Names of the families known without being told. */
export const knownSensors: readonly string[] = families.map(({ family }) => family);

/**
 * A platform in our spelling (`Sentinel-2A`, `S2A`, `sentinel-2a` → `s2a`; `LC08`, `Landsat 8` → `landsat-8`), or
 * null where it is unknown. `named` are sensors that the user names: they are taken as they are spelt there.
 */
export const platformName = (text: string, named: readonly string[] = []): string | null => {
  const key = plain(text);
  if (key === '') return null;
  const own = named.find((name) => plain(name) === key);
  for (const { spelling, platform } of families) {
    const match = spelling.exec(key);
    if (match) return platform(match[1] ?? '');
  }
  return own ?? null;
};

/** The sensor that a platform is one satellite of: `s2` for `s2b`; itself for a name that is not known. */
export const familyOf = (platform: string): string => {
  const key = plain(platform);
  return families.find(({ spelling }) => spelling.test(key))?.family ?? platform;
};

/** True where `sensor` (a family such as `s2`, or one satellite such as `landsat-8`) counts images of `platform`. */
export const counts = (sensor: string, platform: string): boolean =>
  sensor === platform || sensor === familyOf(platform);

/** A sensor for headings: `Sentinel-2`, `GF-1 WFV`, `Landsat 8`; a set `s2+gf1` joined by ` + `. */
export const sensorLabel = (sensors: string): string =>
  sensors
    .split('+')
    .map((sensor) => {
      const family = families.find((candidate) => candidate.family === familyOf(sensor));
      if (!family) return sensor;
      const satellite = sensor.slice(family.family.length).replace('-', '');
      if (satellite === '') return family.label;
      return family.family === 's2'
        ? `${family.label}${satellite.toUpperCase()}`
        : `${family.label} ${satellite}`;
    })
    .join(' + ');
