import { inOrder } from '../dataset/in-order.js';
import type { Aligner } from '../experiments/aligner.js';
import type { Mapping } from '../models/mapping.js';
import type { OnProgress } from '../progress.js';
import type { RasterWindow } from '../raster/raster.js';
import { colourOf, type RasterInfo } from '../raster/tiff-fields.js';
import { type CogOptions, type CogWriter, createCog } from '../raster/write-cog.js';
import type { ValueCounts } from './count-values.js';
import type { Scene } from './open-scene.js';
import { outputCounts } from './output-counts.js';
import { mappedCodes, type OutputType, storedCodes } from './output-values.js';
import type { SceneCrew } from './scene-crew.js';
import type { SceneOutputs } from './scene-outputs.js';
import { readWindows, tileWindows } from './scene-windows.js';
import type { AlignedPart, AlignmentPlan, RowRing, TiledFile } from './scene-work.js';
import { noEstimate } from './uncertainty.js';

/** What the second pass is to make of a scene. */
export interface Alignment {
  scene: Scene;
  crew: SceneCrew;
  counts: ValueCounts;
  mapping: Mapping;
  conv: Aligner['conv'];
  type: OutputType;
  /** Rows read at once; the result does not depend on it. */
  step: number;
  outputs: SceneOutputs;
  /** Expected error of every code of each band, where a COG of it is asked for. */
  uncertainty: Uint16Array[] | null;
  /** Items for GDAL's metadata. */
  metadata: Record<string, string>;
  cog: Pick<CogOptions, 'compression' | 'level' | 'overviews'>;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Bytes of the files written, and counts of the aligned values. */
export interface AlignedFiles {
  cog: number;
  mask: number | null;
  uncertainty: number | null;
  after: Float64Array[];
}

/** NaN pixels of a float scene without a nodata tag stay NaN, undeclared. */
const nodataOf = (scene: Scene, type: OutputType): number | null =>
  scene.nodata !== null && type === 'float32' ? Math.fround(scene.nodata) : scene.nodata;

/** The files to be written, with what each is. */
const filesOf = ({ scene, type, metadata, outputs, uncertainty }: Alignment) => {
  const { width, height, georeference } = scene;
  const common = { width, height, georeference, metadata };
  const files: Partial<Record<TiledFile, { path: string; info: RasterInfo; more?: CogOptions }>> = {
    scene: {
      path: outputs.cog,
      info: {
        ...common,
        type,
        bands: scene.bands.map(({ name }) => ({ name, colour: colourOf(name), scale: 1e-4, offset: 0 })),
        nodata: nodataOf(scene, type),
      },
    },
  };
  if (scene.masks.length > 0)
    files.mask = {
      path: outputs.mask,
      info: { ...common, type: 'uint8', bands: [{ name: 'valid' }], nodata: null },
      more: { resampling: 'mode' },
    };
  if (uncertainty)
    files.uncertainty = {
      path: outputs.uncertainty,
      info: {
        ...common,
        type: 'uint16',
        bands: scene.bands.map(({ name }) => ({ name: `${name} expected error`, scale: 1e-4, offset: 0 })),
        nodata: noEstimate,
      },
    };
  return files;
};

/** Bytes of rows that are read ahead. */
const aheadBytes = 192 << 20;

const ringOf = ({ scene, conv, step }: Alignment, tile: number): RowRing => {
  const { width, height, bands, masks } = scene;
  // a row of tiles with its neighbours and what is being read; one more reading where that is affordable
  const ahead = step * width * bands.length * 2 > aheadBytes / 4 ? 1 : 2;
  const rows = Math.min(height, Math.min(tile, height) + (conv ? 2 : 0) + ahead * step);
  const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes * rows * width);
  return {
    rows,
    width,
    codes: bands.map(() => new Uint16Array(shared(2))),
    valid: masks.length > 0 ? new Uint8Array(shared(1)) : null,
  };
};

/** Lets rows be read when there is room for them, and aligned when they are there. */
const rowGate = (ring: RowRing, height: number, halo: number) => {
  let [ready, needed] = [0, 0];
  let failure: unknown;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (failure === undefined && !condition())
      await new Promise<void>((resolve) => {
        waiting = [...waiting, resolve];
      });
    if (failure !== undefined) throw failure;
  };
  return {
    /** Waits until the rows up to `end` have room. */
    room: (end: number) => until(() => end - ring.rows <= Math.max(0, needed - halo)),
    /** Waits until the rows up to `end`, and the neighbour below, are there. */
    there: (end: number) => until(() => ready >= Math.min(height, end + halo)),
    /** All rows up to `end` are there. */
    arrived: (end: number): void => {
      ready = end;
      wake();
    },
    /** All rows up to `end` are aligned. */
    done: (end: number): void => {
      needed = end;
      wake();
    },
    fail: (error: unknown): void => {
      failure ??= error;
      wake();
    },
  };
};

/** Reads, aligns and packs everything; `use` gets the parts from left to right, then the next row of tiles. */
const alignAll = async (
  { scene, crew, conv, step, signal }: Alignment,
  ring: RowRing,
  tile: number,
  use: (part: AlignedPart, window: RasterWindow) => Promise<void>,
): Promise<void> => {
  const gate = rowGate(ring, scene.height, conv ? 1 : 0);
  // a failure anywhere ends what waits for rows
  const ending =
    <Words extends unknown[], Result>(work: (...words: Words) => Promise<Result>) =>
    (...words: Words): Promise<Result> =>
      work(...words).catch((error: unknown) => {
        gate.fail(error);
        throw error;
      });
  const reading = inOrder(
    readWindows(scene, step),
    2 * crew.hands,
    ending(async (window) => {
      await gate.room(window[1] + window[3]);
      signal?.throwIfAborted();
      await crew.anyone((work) => work.read(window));
    }),
    async (_, [x, y, width, rows]) => {
      if (x + width === scene.width) gate.arrived(y + rows);
    },
  );
  const aligning = inOrder(
    tileWindows(scene, tile),
    4 * crew.hands,
    ending(async (window) => {
      await gate.there(window[1] + window[3]);
      signal?.throwIfAborted();
      return crew.anyone((work) => work.align(window));
    }),
    ending(async (part, window) => {
      const [x, y, width, rows] = window;
      if (x + width === scene.width) gate.done(y + rows);
      await use(part, window);
    }),
  );
  const both = await Promise.allSettled([reading, aligning]);
  for (const side of both) if (side.status === 'rejected') throw side.reason;
};

/** How often each aligned value occurs among valid pixels. */
const countAfter = async (alignment: Alignment): Promise<Float64Array[]> => {
  const { scene, crew, counts, mapping, conv, type } = alignment;
  const codings = scene.bands.map(({ coding }) => coding);
  const total = outputCounts(codings.length);
  if (conv || mapping.form === 'polynomial') {
    for (const counted of await crew.everyone((work) => work.after()))
      counted.forEach((band, b) => {
        for (let i = 0; i < band.length; i++) total.counts[b][i] += band[i];
      });
    return total.counts;
  }
  // where each code has its value, the counts of the input say it all
  const tables = storedCodes(mappedCodes(mapping, codings), codings, type, nodataOf(scene, type));
  counts.bands.forEach((band, b) => {
    band.forEach((count, code) => {
      if (count > 0) total.add(b, tables[b][code], count);
    });
  });
  return total.counts;
};

/** The second pass: aligns a scene and writes its COG, its mask where there is one, and its uncertainty if asked. */
export const alignScene = async (alignment: Alignment): Promise<AlignedFiles> => {
  const { scene, crew, mapping, conv, type, uncertainty, onProgress } = alignment;
  const writers = new Map<TiledFile, CogWriter>();
  try {
    const files: AlignmentPlan['files'] = {};
    for (const [name, { path, info, more }] of Object.entries(filesOf(alignment))) {
      const writer = await createCog(path, info, { ...alignment.cog, ...more });
      writers.set(name as TiledFile, writer);
      const { bands, nodata } = info;
      files[name as TiledFile] = { info: { type: info.type, bands, nodata }, tiles: writer.tiles };
    }
    const tile = files.scene!.tiles.tile;
    const ring = ringOf(alignment, tile);
    const plan = { mapping, conv, type, nodata: nodataOf(scene, type), uncertainty, files };
    await crew.everyone((work) => work.plan(plan, ring));
    await alignAll(alignment, ring, tile, async (part, [x, y, width, rows]) => {
      for (const [name, writer] of writers) {
        const made = part[name];
        if (made) await writer.put(made);
      }
      if (x + width === scene.width)
        onProgress({ stage: 'aligning', done: y + rows, total: scene.height, unit: 'rows' });
    });
    alignment.signal?.throwIfAborted();
    const after = await countAfter(alignment);
    const size = async (name: TiledFile): Promise<number | null> =>
      (await writers.get(name)?.finish()) ?? null;
    const [mask, error] = [await size('mask'), await size('uncertainty')];
    return { cog: (await size('scene')) ?? 0, mask, uncertainty: error, after };
  } finally {
    await Promise.all([...writers.values()].map((writer) => writer.abort()));
  }
};
