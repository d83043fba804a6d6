import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../../config/random.js';
import { projectedGeoreference } from '../../raster/georeference.js';
import { writeGeoTiff } from '../../raster/write-geotiff.js';
import { drawLandscape } from './landscape.js';
import { regions } from './regions.js';

/** Light that a haze of 1 scatters into blue, green, red, NIR, in reflectance. */
const scattered = [0.1, 0.075, 0.06, 0.035];

/**
 * Writes a simulated strip as two Gaofen-1 cameras see it: `wfv1.tif` and `wfv4.tif` in `folder`, four bands, reflectance ×
 * 10 000, int16, 16 m. Ground from real spectra through the cameras' real responses; a haze comes and goes along the strip, of
 * which WFV-1's product keeps half and WFV-4's all; noise of 0.001.
 *
 * @param scenes squares of `size` pixels beside each other
 */
export const writeSimulatedStrip = async (
  folder: string,
  { scenes = 4, size = 512, seed }: { scenes?: number; size?: number; seed: number },
): Promise<void> => {
  const width = scenes * size;
  await mkdir(folder, { recursive: true });
  const random = seededRandom(seed, 'wfv');
  const ground = Array.from(
    { length: scenes },
    () => drawLandscape(random, regions[0], 6, ['gaofen-1-wfv1', 'gaofen-1-wfv4'], size, 16).planes,
  );
  const [slow, fast] = [random.next(), random.next()];
  const wave = (x: number, times: number, phase: number): number =>
    Math.sin(2 * Math.PI * ((times * x) / width + phase));
  const haze = Array.from(
    { length: width },
    (_, x) => 0.5 + 0.25 * wave(x, 3, slow) + 0.25 * wave(x, 7, fast),
  );
  const see = (sensor: 0 | 1, kept: number): Int16Array[] =>
    scattered.map((strength, band) =>
      Int16Array.from({ length: width * size }, (_, i) => {
        const [x, y] = [i % width, Math.floor(i / width)];
        const left = kept * haze[x];
        const surface = ground[Math.floor(x / size)][4 * sensor + band][y * size + (x % size)];
        const seen = surface * (1 - 0.2 * left) + left * strength;
        return Math.round(1e4 * Math.max(0, seen + 0.001 * random.normal()));
      }),
    );
  const georeference = projectedGeoreference(32631, 300_000, 5_000_000, 16);
  const strip = { width, height: size, bandNames: ['blue', 'green', 'red', 'nir'], georeference };
  await writeGeoTiff(join(folder, 'wfv1.tif'), { ...strip, bands: see(0, 0.5) });
  await writeGeoTiff(join(folder, 'wfv4.tif'), { ...strip, bands: see(1, 1) });
};
