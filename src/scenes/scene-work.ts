import { type JointCounts, type JointShape, jointWidths, pairCounter } from '../dataset/joint-statistics.js';
import { type TileOptions, type TilePart, tilePacker } from '../raster/pack-tiles.js';
import type { RasterWindow } from '../raster/raster.js';
import type { RasterInfo } from '../raster/tiff-fields.js';
import { type WindowMapping, windowAligner } from './align-window.js';
import { codeCounter } from './code-counter.js';
import type { Scene } from './open-scene.js';
import { pixelCounts } from './output-counts.js';
import type { PixelCoding } from './pixel-coding.js';
import { noEstimate } from './uncertainty.js';

/** Codes of some consecutive rows of a scene, row y at `y mod rows`: memory that all hands share. */
export interface RowRing {
  rows: number;
  width: number;
  codes: Uint16Array[];
  /** Valid by the masks (1); null without masks. */
  valid: Uint8Array | null;
}

/** The files of a scene that consist of tiles. */
export type TiledFile = 'scene' | 'mask' | 'uncertainty';

/** What the second pass needs. Plain data: it goes to workers as it is. */
export interface AlignmentPlan extends WindowMapping {
  /** Expected error of every code of each band, where a file of it is asked for. */
  uncertainty: Uint16Array[] | null;
  /** How the tiles of each file are made; files that are not asked for are left out. */
  files: Partial<
    Record<TiledFile, { info: Pick<RasterInfo, 'type' | 'bands' | 'nodata'>; tiles: TileOptions }>
  >;
}

/** A part of each file. */
export type AlignedPart = Partial<Record<TiledFile, TilePart>>;

/** How pairs of bands are counted, for a model that looks at these. */
export interface PairPlan {
  shape: JointShape;
  bandMax: readonly number[];
}

/** How often each code occurs: [codes] for each band, of valid pixels and of masked ones; and pairs of bands, if asked for. */
export interface CodeCounts {
  valid: Float64Array[];
  masked: Float64Array[];
  pairs: JointCounts<Float64Array> | null;
}

/** What is done with the pixels of a scene, a window at a time, in this thread or in a worker. */
export interface SceneWork {
  /** Counts the codes of a window, and the pairs of bands of pixels that are valid in all of them. */
  count(window: RasterWindow, pairs: PairPlan | null): Promise<void>;
  /** All that was counted. */
  counted(): Promise<CodeCounts>;
  /** What the second pass is to do. */
  plan(plan: AlignmentPlan, ring: RowRing): Promise<void>;
  /** Reads a window into the ring. */
  read(window: RasterWindow): Promise<void>;
  /** Aligns a window that is in the ring, neighbours included, and packs it. */
  align(window: RasterWindow): Promise<AlignedPart>;
  /** How often each aligned value occurs among valid pixels, as `outputCounts` counts them. */
  after(): Promise<Float64Array[]>;
}

/** Counts pairs of bands in the units of the model, as training did. */
const countPairs = ({ shape, bandMax }: PairPlan, codings: readonly PixelCoding[]) => {
  const widths = jointWidths(bandMax.length, shape);
  const counts: JointCounts<Float64Array> = {
    jointHistogram: new Float64Array(widths.jointHistogram),
    differenceHistogram: new Float64Array(widths.differenceHistogram),
  };
  const add = pairCounter(bandMax, shape, counts);
  const clipped = new Float64Array(bandMax.length);
  return {
    counts,
    add: (codes: readonly Uint16Array[], valid: Uint8Array | null): void => {
      for (let i = 0; i < codes[0].length; i++) {
        if (valid !== null && valid[i] !== 1) continue;
        let known = true;
        for (let b = 0; b < codes.length; b++) {
          const code = codes[b][i];
          const value = codings[b].values[code];
          if (code === codings[b].nodata || Number.isNaN(value)) known = false;
          clipped[b] = value < 0 ? 0 : value > bandMax[b] ? bandMax[b] : value;
        }
        if (known) add(clipped);
      }
    },
  };
};

/** Copies a window out of the ring, with the neighbours that a conv module sees, into the start of `out`. */
const cut = <T extends Uint8Array | Uint16Array>(
  band: T,
  { rows, width }: RowRing,
  [x, y, columns, height]: RasterWindow,
  out: T,
): T => {
  for (let row = 0; row < height; row++) {
    const from = ((y + row) % rows) * width + x;
    out.set(band.subarray(from, from + columns) as never, row * columns);
  }
  return out.subarray(0, columns * height) as T;
};

const noHalo = { left: 0, top: 0, right: 0, bottom: 0 } as const;

const packersOf = ({ files }: AlignmentPlan) =>
  Object.fromEntries(
    Object.entries(files).map(([name, { info, tiles }]) => [name, tilePacker(info, tiles)]),
  ) as Partial<Record<TiledFile, ReturnType<typeof tilePacker>>>;

/** The work on an open scene. Reads wait for one another: a scene's arrays are used again. */
export const sceneWork = (scene: Scene): SceneWork => {
  const codings = scene.bands.map(({ coding }) => coding);
  const counter = codeCounter(codings.length);
  let pairs: ReturnType<typeof countPairs> | null = null;
  let reads: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = reads.then(work);
    reads = turn.catch(() => {});
    return turn;
  };
  let ring: RowRing;
  let current: AlignmentPlan;
  let align: ReturnType<typeof windowAligner>;
  let packers: ReturnType<typeof packersOf>;
  // used again: fresh pages cost more time than the copying
  let memory: Uint16Array[] = [];
  let validMemory = new Uint8Array(0);
  let after: ReturnType<typeof pixelCounts>;

  return {
    count: (window, plan) =>
      inTurn(async () => {
        const { codes, valid } = await scene.read(window);
        if (plan) {
          pairs ??= countPairs(plan, codings);
          pairs.add(codes, valid);
        }
        counter.add(codes, valid);
      }),
    counted: async () => ({ ...counter.counts(), pairs: pairs?.counts ?? null }),
    plan: async (plan, rows) => {
      ring = rows;
      current = plan;
      align = windowAligner(plan, codings);
      packers = packersOf(plan);
      after = pixelCounts(plan, codings);
    },
    read: (window) =>
      inTurn(async () => {
        const { codes, valid } = await scene.read(window);
        const [x, y, columns, height] = window;
        for (let row = 0; row < height; row++) {
          const to = ((y + row) % ring.rows) * ring.width + x;
          const [from, end] = [row * columns, (row + 1) * columns];
          codes.forEach((band, b) => {
            ring.codes[b].set(band.subarray(from, end), to);
          });
          if (valid) ring.valid?.set(valid.subarray(from, end), to);
        }
      }),
    align: async (window) => {
      const [x, y, width, height] = window;
      const halo = current.conv
        ? ({
            left: x > 0 ? 1 : 0,
            top: y > 0 ? 1 : 0,
            right: x + width < scene.width ? 1 : 0,
            bottom: y + height < scene.height ? 1 : 0,
          } as const)
        : noHalo;
      const around: RasterWindow = [
        x - halo.left,
        y - halo.top,
        width + halo.left + halo.right,
        height + halo.top + halo.bottom,
      ];
      const size = around[2] * around[3];
      if (!(memory[0]?.length >= size)) memory = codings.map(() => new Uint16Array(size));
      if (ring.valid && validMemory.length < size) validMemory = new Uint8Array(size);
      const cuts = ring.codes.map((band, b) => cut(band, ring, around, memory[b]));
      const aligned = align({ width, height, halo, codes: cuts });
      const { bands, codes, missing } = aligned;
      const valid = ring.valid && cut(ring.valid, ring, window, validMemory);
      const place = { x, y, width, height };
      const { uncertainty } = current;
      const parts = {
        scene: packers.scene?.(bands, place),
        mask: valid && packers.mask?.([valid], place),
        uncertainty:
          uncertainty &&
          packers.uncertainty?.(
            codes().map((band, b) =>
              band.map((code, i) => (missing?.[i] === 1 ? noEstimate : uncertainty[b][code])),
            ),
            place,
          ),
      };
      // where each code has its value, the counts of the input say it all
      if (current.conv || current.mapping.form === 'polynomial') after.add(aligned, valid);
      const done: AlignedPart = {};
      for (const name of ['scene', 'mask', 'uncertainty'] as const) {
        const part = parts[name];
        if (part) done[name] = { ...part, tiles: await part.tiles };
      }
      return done;
    },
    after: async () => after.counts(),
  };
};
