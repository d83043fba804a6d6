import { georeferenceConflict } from '../raster/georeference.js';
import type { Raster } from '../raster/raster.js';
import { finerRaster } from '../raster/resampled-raster.js';

/** A scene's grid: that of its finest band. */
export type SceneGrid = Pick<Raster, 'width' | 'height' | 'georeference'>;

/** Brings `raster` to the scene's grid, or says in `faults` why it does not fit. */
export const bringToGrid = (
  raster: Raster,
  what: string,
  { width, height, georeference }: SceneGrid,
  mayResample: boolean,
  faults: string[],
): Raster => {
  const factor = width / raster.width;
  if (factor !== 1 || height !== raster.height) {
    const whole = Number.isInteger(factor) && factor > 1 && raster.height * factor === height;
    if (!whole || !mayResample) {
      faults.push(
        `${what}: ${raster.path} is ${raster.width} × ${raster.height}, the scene ${width} × ${height}; ${
          whole ? '--resample repeats its pixels' : 'bring it to the scene’s grid'
        }`,
      );
      return raster;
    }
  }
  const finer = finerRaster(raster, factor);
  const conflict = georeferenceConflict(georeference, finer.georeference, width, height);
  if (conflict)
    faults.push(`${what}: ${raster.path} lies elsewhere (${conflict}); bring it to the scene’s grid`);
  return finer;
};
