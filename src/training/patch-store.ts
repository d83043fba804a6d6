import type { Experiment } from '../config/schema.js';
import type { PatchPixels } from '../dataset/patch.js';
import { Fault } from '../fault.js';
import type { UnetLutShape } from '../models/unet-lut.js';
import { onDevice } from '../ops/backends/device-trouble.js';
import { type ResidentPatch, releasePatch, residentBytes, uploadPatch } from '../ops/resident-loss.js';
import { runningBackend } from '../ops/tensorflow.js';
import { keepsUnetOnHost } from './split-gradient.js';

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
const deviceRoom = (): number => {
  const value = process.env['BANDALIGN_DEVICE_MEMORY'];
  if (!value) return runningBackend()?.isGpu ? 4 * 2 ** 30 : 256 * 2 ** 20;
  const room = Number(value);
  if (!(room >= 0))
    throw new Fault(`BANDALIGN_DEVICE_MEMORY: ${value}; MiB of pixels kept on the device, 0 or more`);
  return room * 2 ** 20;
};

/**
 * Patches stay on the device once they are there, until the room is full; those beyond it are brought anew each time.
 * Null where steps are not split (see split-gradient.ts): the fused kernels of `cpu` read the packed pixels themselves.
 */
export const patchStore = ({ data }: Experiment, shape: UnetLutShape): PatchStore | null => {
  if (shape.conv === null || !keepsUnetOnHost()) return null;
  let room = deviceRoom();
  const kept = new Map<number, ResidentPatch>();
  let planned: number[][] = [];
  let passing: ResidentPatch[] = [];
  const passOn = (): void => {
    passing.forEach(releasePatch);
    passing = [];
  };
  return {
    plan: (batches) => {
      planned = batches.map((rows) => rows.filter((row) => !kept.has(row)));
      return planned.filter(({ length }) => length > 0);
    },
    batch: async (rows, read) => {
      passOn();
      const absent = planned.shift() ?? [];
      const pixels = absent.length > 0 ? await read() : [];
      const brought = new Map<number, ResidentPatch>();
      await onDevice(async () => {
        for (const [i, row] of absent.entries()) {
          // twice in an epoch: steps are timed so
          if (kept.has(row)) continue;
          const patch = uploadPatch(pixels[i], shape.spec.knots, data.bandMax);
          brought.set(row, patch);
          const bytes = residentBytes(pixels[i], shape.spec.knots);
          if (bytes <= room) {
            room -= bytes;
            kept.set(row, patch);
          } else passing.push(patch);
        }
      });
      return rows.map((row) => (kept.get(row) ?? brought.get(row))!);
    },
    dispose: () => {
      passOn();
      for (const patch of kept.values()) releasePatch(patch);
      kept.clear();
    },
  };
};
