import { basename, extname } from 'node:path';
import type { Raster } from '../raster/raster.js';
import { findBands, namesBand } from './band-names.js';
import type { SceneRequest } from './scene-request.js';

/** Where a band of the model is. */
export interface ChosenBand {
  raster: Raster;
  /** 1-based. */
  band: number;
}

const stem = (path: string): string => basename(path, extname(path));

/**
 * Which band of which raster serves each band of the model: by files' names, by `--bands`, by band descriptions, else
 * as they are where there are as many. Adds to `faults` where that stays open.
 */
export const chooseBands = (
  rasters: readonly Raster[],
  names: readonly string[],
  request: SceneRequest,
  faults: string[],
): ChosenBand[] => {
  if (rasters.length > 1) {
    const found = findBands(
      rasters.map(({ path }) => stem(path)),
      names,
    );
    found.forEach((files, index) => {
      if (files.length !== 1)
        faults.push(
          `band ${names[index]}: ${files.length === 0 ? 'no file' : `${files.length} files`} of that name; name files as B02 or blue, one for each of ${names.join(', ')}`,
        );
    });
    return found.flatMap(([file]) => (file === undefined ? [] : [{ raster: rasters[file], band: 1 }]));
  }
  const [raster] = rasters;
  if (request.bands) {
    if (request.bands.length !== names.length)
      faults.push(`--bands: ${request.bands.join(',')}; ${names.length} numbers, for ${names.join(', ')}`);
    for (const band of request.bands)
      if (!(Number.isInteger(band) && band >= 1 && band <= raster.bands))
        faults.push(`--bands: ${band}; ${raster.path} has bands 1 to ${raster.bands}`);
    return request.bands.map((band) => ({ raster, band }));
  }
  const named = findBands(raster.bandNames, names);
  if (named.every((found) => found.length === 1))
    return named.map(([index]) => ({ raster, band: index + 1 }));
  if (raster.bands === names.length) return names.map((_, index) => ({ raster, band: index + 1 }));
  faults.push(
    `bands: ${raster.path} has ${raster.bands}, which do not name ${names.join(', ')}; say which they are: --bands 1,2,3,…`,
  );
  return [];
};

/** Bands given by number whose descriptions name another band of the model. */
export const contradictedBands = (
  chosen: readonly ChosenBand[],
  names: readonly string[],
  request: SceneRequest,
): string[] =>
  chosen.flatMap(({ raster, band }, index) => {
    const text = raster.bandNames[band - 1] ?? '';
    const other = names.some((name) => name !== names[index] && namesBand(text, name));
    return request.bands && other && !namesBand(text, names[index])
      ? [`band ${names[index]}: band ${band} of ${raster.path} calls itself ${text}`]
      : [];
  });
