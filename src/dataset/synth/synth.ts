/**
 * The demo dataset: **synthetic** pairs of Sentinel-2 and Gaofen-1 patches in the paper's layout.
 *
 * Real are the 24 reflectance spectra and the spectral responses of Sentinel-2A MSI and of the four Gaofen-1 WFV
 * cameras over their full range (`spectra/`). The rest is a simulation:
 *
 * - *Ground* (`landscape.ts`): a tile stands for the 110 km of a real one and so holds several kinds of land cover,
 *   in shares that vary about those of its region, on one date and so in one season. Fields are angular blocks, under
 *   plants or bare as the season has it, each a linear mixture of a soil and a plant spectrum whose shares vary
 *   smoothly; moisture darkens the soils of a tile, canopies cast shadows, there are ponds and rivers. Drawn at 8 m.
 * - *Spectral response*: each sensor's bands are the ground's spectra weighted with its own responses; a region
 *   lies in the swath of one of the four cameras.
 * - *Air* (`sensing.ts`): one haze lies over both images. Each atmospheric correction assumes a standard haze,
 *   mends a part of the departure from it and leaves the rest in (all of it for Gaofen-1, which has no band to see haze
 *   by), plus a small error of its own. What is left adds scattered light and takes away transmitted light, both ∝ λ^−1.2.
 * - *Calibration and view*: a constant calibration difference between the sensors; a bidirectional remainder of about
 *   1 % that depends on the camera and on chance.
 * - *Image*: Gaussian blur to 16 m, wider for Gaofen-1; a displacement of up to 0.6 pixels between the images; noise;
 *   clouds that the wind moves between the images, and their shadows, masked with a margin; ×10 000, int16.
 *
 * Why a tile's mapping can be read off its Sentinel-2 histogram: the haze that the correction left in lifts the dark
 * end of the histogram, and Gaofen-1 saw the same haze; and the surfaces that make up a histogram decide which spectra
 * a value stands for (a red of 800 is a half-grown crop in one tile, wet soil in another, and Gaofen-1's red band
 * reaches up the red edge). Why it cannot be read off wholly: bidirectional remainder and the corrections' own
 * errors leave no trace in it.
 *
 * Numbers without a source above are assumptions of usual size, not measurements. The premise of the paper, that
 * histograms tell the mapping, is one of them: the haze and its shares, the mixed ground of a tile and the camera
 * of a region were chosen so that it holds. With about half the haze's spread, one kind of ground and any camera to a
 * tile, a kernel regression from the histograms went 3 to 18 % of the way from the global LUT to the oracle. So
 * the dataset shows how models compare where the premise holds, and cannot show that it does.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Fault, reason, refuse } from '../../fault.js';
import { isAlive, removeAtExit } from '../../files.js';
import { ignoreProgress, type OnProgress } from '../../progress.js';
import { listNames } from '../lists.js';
import { drawTiles } from './crew.js';
import { syntheticMarker } from './marker.js';
import { synthLists } from './split.js';
import { planTile, type SynthParameters } from './tile.js';
import type { WrittenTile } from './write.js';

export const synthDefaults: SynthParameters = { tiles: 800, patches: 2, size: 64, seed: 2022 };

export interface SynthOptions extends Partial<SynthParameters> {
  /** Replace a former synthetic dataset; anything else is refused all the same. */
  overwrite?: boolean;
  /** Worker threads; by default one a core. The result does not depend on it. */
  workers?: number;
  /** Version of the program, for the record. */
  version?: string;
  progress?: OnProgress;
  signal?: AbortSignal;
}

/** What was made. */
export interface SynthSummary extends SynthParameters {
  dir: string;
  lists: Record<(typeof listNames)[number], number>;
  bytes: number;
  validShare: number;
}

const parametersOf = (options: SynthOptions): SynthParameters => {
  const { tiles, patches, size, seed } = synthDefaults;
  const parameters: SynthParameters = {
    tiles: options.tiles ?? tiles,
    patches: options.patches ?? patches,
    size: options.size ?? size,
    seed: options.seed ?? seed,
    // left out where they change nothing: the same parameters, the same bytes
    ...(options.haze !== undefined && options.haze !== 1 && { haze: options.haze }),
    ...(options.ground && { ground: options.ground }),
  };
  const faults: string[] = [];
  const whole = (name: string, value: number, low: number, high: number): void => {
    if (!Number.isInteger(value) || value < low || value > high)
      faults.push(`${name}: ${value}; a whole number from ${low} to ${high}`);
  };
  whole('--tiles', parameters.tiles, 3, 100_000);
  whole('--patches', parameters.patches, 1, 169);
  whole('--size', parameters.size, 8, 2048);
  whole('--seed', parameters.seed, 0, 0xffffffff);
  const { haze = 1 } = parameters;
  if (!(haze >= 0 && haze <= 3)) faults.push(`--haze: ${haze}; a number from 0 to 3`);
  refuse(faults);
  return parameters;
};

const contentOf = async (dir: string): Promise<string[] | null> =>
  readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    if (error.code === 'ENOTDIR') throw new Fault(`folder: ${dir}; is a file, choose another name`);
    throw new Fault(`folder: ${dir}; cannot be read (${reason(error)})`);
  });

const isSynthetic = (dir: string): Promise<boolean> =>
  readFile(join(dir, syntheticMarker), 'utf8').then(
    (text) => (JSON.parse(text) as { synthetic?: unknown }).synthetic === true,
    () => false,
  );

const checkFree = async (dir: string, overwrite: boolean): Promise<void> => {
  const content = await contentOf(dir);
  if (content === null || content.length === 0) return;
  const synthetic = await isSynthetic(dir);
  if (!synthetic) throw new Fault(`folder: ${dir}; holds something else, choose an empty or new one`);
  if (!overwrite) throw new Fault(`folder: ${dir}; holds a synthetic dataset, replace it with --overwrite`);
};

/** Removes what runs that were killed left beside `dir`; runs that still live are let be. */
const sweep = async (dir: string): Promise<void> => {
  const left = await readdir(dirname(dir)).catch(() => []);
  for (const name of left) {
    const found = /^\.(.+)\.(\d+)(?:\.old)?\.partial$/.exec(name);
    if (found?.[1] === basename(dir) && !isAlive(Number(found[2])))
      await rm(join(dirname(dir), name), { recursive: true, force: true });
  }
};

/** Puts `fresh` where `target` is; the old folder goes only when the new one stands. */
const replace = async (target: string, fresh: string): Promise<void> => {
  const old = fresh.replace(/partial$/, 'old.partial');
  await rm(old, { recursive: true, force: true });
  const replaced = await rename(target, old).then(
    () => true,
    () => false,
  );
  await rename(fresh, target);
  if (replaced) await rm(old, { recursive: true, force: true });
};

const note = ({ tiles, patches, size, seed, haze, ground }: SynthParameters): string =>
  `# Synthetic data

No satellite took these images. They were drawn by \`bandalign dataset synth\` (${tiles} tiles, ${patches} patches a tile,
${size} × ${size} pixels, seed ${seed}${haze === undefined ? '' : `, haze × ${haze}`}${ground ? ', one land cover a region' : ''}) from real reflectance spectra and the real spectral responses of Sentinel-2A MSI
and Gaofen-1 WFV; ground, air, clouds, blur, displacement and noise are simulated. \`${syntheticMarker}\` holds what every tile
was drawn with. Results on them show how models compare on this simulation, not how well they align real images.
`;

const record = (parameters: SynthParameters, version: string, written: readonly WrittenTile[]) => ({
  synthetic: true,
  generator: 'bandalign dataset synth',
  version,
  ...parameters,
  tile: written.map(({ index, shares, river, cloudy, validShare, views }) => {
    const { name, date, region } = planTile(parameters, index);
    const { haze, camera, source, target } = views;
    return {
      name,
      date,
      region: region.name,
      shares,
      river,
      cloudy,
      validShare,
      haze,
      camera,
      source,
      target,
    };
  }),
});

/**
 * Makes the demo dataset in `dir`: whole or not at all, the same bytes for the same parameters. See the head of this
 * file for what is simulated.
 * @throws Fault for a bad parameter or a folder that holds something else (exit 2), or when writing fails (exit 1).
 */
export const synthesizeDataset = async (dir: string, options: SynthOptions = {}): Promise<SynthSummary> => {
  const parameters = parametersOf(options);
  const { overwrite = false, workers, version = 'unknown', progress = ignoreProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  const target = resolve(dir);
  await checkFree(target, overwrite);
  await sweep(target);
  const partial = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  const keep = removeAtExit(partial);
  try {
    await mkdir(join(partial, 'divide'), { recursive: true });
    const written: WrittenTile[] = [];
    const onTile = (tile: WrittenTile): void => {
      written.push(tile);
      progress({ stage: 'drawing', done: written.length, total: parameters.tiles, unit: 'tiles' });
    };
    await drawTiles(partial, parameters, workers, onTile, signal);
    written.sort((a, b) => a.index - b.index);
    const lists = synthLists(parameters);
    for (const name of listNames)
      await writeFile(join(partial, 'divide', `${name}.txt`), `${lists[name].join('\n')}\n`);
    await writeFile(join(partial, 'SYNTHETIC.md'), note(parameters));
    const marker = JSON.stringify(record(parameters, version, written), null, 1);
    await writeFile(join(partial, syntheticMarker), `${marker}\n`);
    signal.throwIfAborted();
    await checkFree(target, overwrite);
    await replace(target, partial);
    const count = (name: (typeof listNames)[number]): number => lists[name].length;
    return {
      dir: target,
      ...parameters,
      lists: { train: count('train'), val: count('val'), test: count('test') },
      bytes: written.reduce((sum, { bytes }) => sum + bytes, 0),
      validShare: written.reduce((sum, { validShare }) => sum + validShare, 0) / written.length,
    };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (error instanceof Fault) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new Fault(`folder: ${target}; cannot be written (${reason(error)})`, 1, { cause: error });
  } finally {
    keep();
  }
};
