import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Experiment,
  type ExperimentInput,
  resolveExperiment,
} from '../../src/experiments/experiment.js';
import { Fault } from '../../src/fault.js';
import { writeAtomic } from '../../src/files.js';
import { projectedGeoreference } from '../../src/raster/georeference.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';

/** The data section of an experiment with the defaults, or some of it changed. */
export const dataOf = (data: ExperimentInput['data'] = {}): Experiment['data'] =>
  resolveExperiment({ data }).data;

export const emptyFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'bandalign-data-'));

/** The faults that `work` throws; any other error goes on. */
export const faultsOf = async (work: () => unknown): Promise<readonly string[]> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof Fault) return error.faults;
    throw error;
  }
  return [];
};

type BandArray = GeoTiffImage['bands'][number];

/** An image of constant bands: 6 × 5 pixels, 16 m, or as `change` says. */
export const image = (values: readonly number[], change: Partial<GeoTiffImage> = {}): GeoTiffImage => {
  const [width, height] = [change.width ?? 6, change.height ?? 5];
  const bands = values.map((value): BandArray => new Int16Array(width * height).fill(value));
  return {
    width,
    height,
    bands,
    georeference: projectedGeoreference(32631, 500_000, 5_000_000, 16),
    ...change,
  };
};

export const mask = (value = 1, change: Partial<GeoTiffImage> = {}): GeoTiffImage => {
  const [width, height] = [change.width ?? 6, change.height ?? 5];
  return image([0], { bands: [new Uint8Array(width * height).fill(value)], ...change });
};

/** Writes the three files of a patch, `Region/tile_date-col-row.tif`. */
export const writePatch = async (
  root: string,
  id: string,
  images: { S2?: GeoTiffImage | null; GF1?: GeoTiffImage | null; mask?: GeoTiffImage | null } = {},
): Promise<void> => {
  const [region, file] = id.split('/');
  const all = { S2: image([1, 2, 3, 4]), GF1: image([5, 6, 7, 8]), mask: mask(), ...images };
  for (const [folder, content] of Object.entries(all))
    if (content) await writeGeoTiff(join(root, region, folder, file), content);
};

/** Writes the three lists; what is not given holds one patch that `writePatch` knows. */
export const writeLists = async (root: string, lists: Record<string, string>): Promise<void> => {
  for (const [name, text] of Object.entries(lists))
    await writeAtomic(join(root, 'divide', `${name}.txt`), text);
};
