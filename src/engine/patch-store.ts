import type { PatchPixels } from '../dataset/patch.js';
import { Fault } from '../fault.js';
import type { Engine, ResidentPatch } from './engine.js';

/** Patches on the device, by row of the statistics table. */
export interface PatchStore {
  /**
   * Begins an epoch of these batches. Of each batch, in order, the rows that must be read as they are not on the device;
   * batches that are there whole are left out.
   */
  plan: (batches: readonly (readonly number[])[]) => number[][];
  /** The patches of the next batch; `read` gives those that {@link plan} named for it. Valid until the next batch. */
  batch: (rows: readonly number[], read: () => Promise<PatchPixels[]>) => Promise<ResidentPatch[]>;
  dispose: () => void;
}

/** Bytes of pixels that may stay on the device: BANDALIGN_DEVICE_MEMORY (MiB), else 4 GiB of a card, 256 MiB of a host. */
const deviceBytes = ({ isGpu }: Engine): number => {
  const value = process.env['BANDALIGN_DEVICE_MEMORY'];
  if (!value) return isGpu ? 4 * 2 ** 30 : 256 * 2 ** 20;
  const size = Number(value);
  if (!(size >= 0))
    throw new Fault(`BANDALIGN_DEVICE_MEMORY: ${value}; MiB of pixels kept on the device, 0 or more`);
  return size * 2 ** 20;
};

/**
 * Patches stay on the device once they are there, until `bytes` are full; those beyond are brought anew each time. Null
 * for an engine that reads patches from the host's memory.
 *
 * @param bytes default: BANDALIGN_DEVICE_MEMORY (MiB), else 4 GiB of a card, 256 MiB of a host
 */
export const patchStore = (
  engine: Engine,
  { bandMax, bytes = deviceBytes(engine) }: { bandMax: readonly number[]; bytes?: number },
): PatchStore | null => {
  const memory = engine.patchMemory;
  if (memory === null) return null;
  let free = bytes;
  const kept = new Map<number, ResidentPatch>();
  let planned: number[][] = [];
  let awaited = 0;
  let passing: ResidentPatch[] = [];
  const releasePassing = (): void => {
    memory.release(passing);
    passing = [];
  };
  return {
    plan: (batches) => {
      planned = batches.map((rows) => rows.filter((row) => !kept.has(row)));
      awaited = new Set(planned.flat()).size;
      return planned.filter(({ length }) => length > 0);
    },
    batch: async (rows, read) => {
      const absent = planned.shift() ?? [];
      const pixels = absent.length > 0 ? await read() : [];
      const brought = new Map<number, ResidentPatch>();
      // a row may be there by now: steps that are timed go over the same batches again
      const missing = absent.flatMap((row, i) => (kept.has(row) ? [] : [{ row, pixels: pixels[i] }]));
      const patches = await memory.upload(
        missing.map((patch) => patch.pixels),
        bandMax,
        missing.length > 0 ? Math.min(free, awaited * memory.bytes(missing[0].pixels)) : 0,
      );
      // after the upload: a device's buffers stay from batch to batch
      releasePassing();
      for (const [i, patch] of patches.entries()) {
        const { row } = missing[i];
        brought.set(row, patch);
        const size = memory.bytes(missing[i].pixels);
        if (size <= free) {
          free -= size;
          kept.set(row, patch);
        } else passing.push(patch);
      }
      return rows.map((row) => (kept.get(row) ?? brought.get(row))!);
    },
    dispose: () => {
      releasePassing();
      memory.release([...kept.values()]);
      kept.clear();
    },
  };
};
