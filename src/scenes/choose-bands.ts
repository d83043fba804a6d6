import { bandsNamed } from '../raster/band-names.js';
import { bandsOf, dataBands, stem } from '../raster/bands-of.js';
import type { Raster } from '../raster/raster.js';
import type { SceneRequest } from './scene-request.js';

/** Where a band of the model is. */
export interface ChosenBand {
  raster: Raster;
  /** 1-based. */
  band: number;
}

/** One file for each band, by the files' names, else by the description of their one band. */
const chooseFiles = (
  rasters: readonly Raster[],
  names: readonly string[],
  faults: string[],
): ChosenBand[] => {
  const stems = rasters.map(({ path }) => stem(path));
  const described = bandsNamed(
    rasters.map(({ bandNames }) => bandNames[0]),
    names,
    stems,
  );
  const named = bandsNamed(stems, names, []).map((name, index) => name ?? described[index]);
  return names.flatMap((name): ChosenBand[] => {
    const files = rasters.filter((_, index) => named[index] === name);
    if (files.length !== 1) {
      faults.push(
        `band ${name}: ${files.length === 0 ? 'no file' : `${files.length} files`} of that name; name files as B02 or blue, one for each of ${names.join(', ')}`,
      );
      return [];
    }
    const [raster] = files;
    const bands = dataBands(raster);
    if (bands.length !== 1)
      faults.push(`band ${name}: ${raster.path} has ${bands.length} bands; give files of one band each`);
    return [{ raster, band: bands[0] }];
  });
};

const chooseByFlag = (
  raster: Raster,
  names: readonly string[],
  bands: readonly number[],
  faults: string[],
): ChosenBand[] => {
  if (bands.length !== names.length)
    faults.push(`--bands: ${bands.join(',')}; ${names.length} numbers, for ${names.join(', ')}`);
  for (const band of bands)
    if (!(Number.isInteger(band) && band >= 1 && band <= raster.bands))
      faults.push(`--bands: ${band}; ${raster.path} has bands 1 to ${raster.bands}`);
  return bands.map((band) => ({ raster, band }));
};

/**
 * Which band of which raster serves each band of the model: of several files by their names; of one by `--bands`, by the
 * names that a mission gives its bands, by colour, and as they are only where nothing of that speaks and there are as
 * many. Adds to `faults` where it stays open.
 */
export const chooseBands = (
  rasters: readonly Raster[],
  names: readonly string[],
  request: SceneRequest,
  faults: string[],
): ChosenBand[] => {
  if (rasters.length > 1) return chooseFiles(rasters, names, faults);
  const [raster] = rasters;
  if (request.bands) return chooseByFlag(raster, names, request.bands, faults);
  const bands = bandsOf(raster, names, '--bands ');
  if (typeof bands !== 'string') return bands.map((band) => ({ raster, band }));
  faults.push(bands);
  return [];
};

/** Bands given by number whose descriptions name another band of the model. */
export const contradictedBands = (
  chosen: readonly ChosenBand[],
  names: readonly string[],
  request: SceneRequest,
): string[] =>
  request.bands
    ? chosen.flatMap(({ raster, band }, index) => {
        const named = bandsNamed(raster.bandNames, names, [stem(raster.path)])[band - 1];
        return named !== null && named !== names[index] && names.includes(named)
          ? [
              `band ${names[index]}: band ${band} of ${raster.path} calls itself ${raster.bandNames[band - 1]}`,
            ]
          : [];
      })
    : [];
