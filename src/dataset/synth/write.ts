import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectedGeoreference } from '../../raster/georeference.js';
import { encodeGeoTiff } from '../../raster/write-geotiff.js';
import { drawTile, pixelSize, planTile, type SynthParameters, type TileTruth } from './tile.js';

const two = (value: number): string => String(value).padStart(2, '0');
const bandNames = ['blue', 'green', 'red', 'nir'];

/** File of a patch: `SYN007_20200512-00-01.tif`. */
export const patchFile = (name: string, date: string, column: number, row: number): string =>
  `${name}_${date}-${two(column)}-${two(row)}.tif`;

/** What is known of a tile once its files are written. */
export interface WrittenTile extends TileTruth {
  index: number;
  bytes: number;
}

/** Draws one tile and writes its patches' S2, GF1 and mask files under `root`, whose folders are made. */
export const writeTile = async (
  root: string,
  parameters: SynthParameters,
  index: number,
): Promise<WrittenTile> => {
  const plan = planTile(parameters, index);
  const { size } = parameters;
  const { patches, truth } = drawTile(parameters, plan);
  const metadata = {
    SYNTHETIC: `drawn by bandalign dataset synth, seed ${parameters.seed}, tile ${index}: no satellite took this`,
  };
  let bytes = 0;
  const folders = ['S2', 'GF1', 'mask'].map((folder) => join(root, plan.region.name, folder));
  await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true })));
  await Promise.all(
    patches.flatMap(({ column, row, source, target, mask }) => {
      const file = patchFile(plan.name, plan.date, column, row);
      const [x, y] = plan.origin;
      const step = size * pixelSize;
      const georeference = projectedGeoreference(
        plan.region.epsg,
        x + column * step,
        y - row * step,
        pixelSize,
      );
      const shape = { width: size, height: size, georeference, metadata, level: 4 };
      const images = [
        { ...shape, bands: source, bandNames },
        { ...shape, bands: target, bandNames },
        { ...shape, bands: [mask], bandNames: ['valid'] },
      ];
      return images.map(async (image, i) => {
        const data = await encodeGeoTiff(image);
        bytes += data.length;
        // the folder is renamed when all is written, so no file needs care of its own
        await writeFile(join(folders[i], file), data);
      });
    }),
  );
  return { index, bytes, ...truth };
};
