import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { fileDigest } from '../../src/files.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { root } from './built-sweep.js';

export const weights = join(root, 'test/fixtures/parity/reference/epochs_0.pth');

/** A folder with scenes of some size, one file that is none, and a list of all. */
export const scenePlace = async (count: number, size: number): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-scenes-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const names: string[] = [];
  for (let scene = 0; scene < count; scene++) {
    const random = seededRandom(`scene ${scene}`);
    const band = (k: number) =>
      Uint16Array.from({ length: size * size }, () => 1200 + 300 * k + Math.floor(400 * random.next()));
    names.push(`scene ${scene}.tif`);
    await writeGeoTiff(join(folder, names[scene]), {
      width: size,
      height: size,
      bands: [1, 2, 3, 8].map(band),
      nodata: 0,
    });
  }
  await writeFile(join(folder, 'broken.tif'), 'no tiff');
  await writeFile(join(folder, 'scenes.txt'), `${[names[0], 'broken.tif', ...names.slice(1)].join('\n')}\n`);
  return folder;
};

export const listWords = (...more: string[]): string[] => [
  ...['apply', '--list', 'scenes.txt', '--weights', weights, '--out', 'out', '--boa-offset', '-1000'],
  ...more,
];

/** What `apply --list --json` prints. */
export interface ListDocument {
  done: number;
  kept: number;
  failed: number;
  scenes: { scene: string; status: string; faults: string[] }[];
}

/** Digests of the COGs and names of everything beside them. */
export const listOutputs = async (folder: string) => {
  const names = (await readdir(join(folder, 'out'))).filter((name) => !name.endsWith('.list')).sort();
  const cogs = names.filter((name) => name.endsWith('.tif'));
  return { names, digests: await Promise.all(cogs.map((name) => fileDigest(join(folder, 'out', name)))) };
};
