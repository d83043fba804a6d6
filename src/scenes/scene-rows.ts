import type { Scene } from './open-scene.js';
import { readValidity } from './scene-mask.js';

/** Consecutive rows of a scene: codes of each band, and which pixels the masks leave (null: all). */
export interface SceneRows {
  y: number;
  rows: number;
  codes: Uint16Array[];
  valid: Uint8Array | null;
}

const targetBytes = 48 << 20;

/**
 * Rows that are read at once: whole blocks of the file, about 512 of them, fewer where rows are so long that they
 * would take more than 48 MB.
 */
export const rowsAtOnce = (scene: Scene): number => {
  const block = Math.max(...scene.bands.map(({ raster }) => raster.blockSize[1]));
  const affordable = targetBytes / (scene.width * scene.bands.length * 2);
  const blocks = Math.floor(Math.max(block, Math.min(512, affordable)) / block);
  return Math.min(scene.height, Math.max(1, blocks) * block);
};

/** All rows of a scene from top to bottom; the next ones are read while the caller works on those it has. */
export async function* sceneRows(
  scene: Scene,
  step: number,
  signal?: AbortSignal,
): AsyncGenerator<SceneRows, void, void> {
  const load = async (y: number): Promise<SceneRows> => {
    const rows = Math.min(step, scene.height - y);
    const [codes, valid] = await Promise.all([
      scene.read(y, rows),
      readValidity(scene.masks, scene.width, y, rows),
    ]);
    return { y, rows, codes, valid };
  };
  let next: Promise<SceneRows> | null = load(0);
  try {
    for (let y = 0; y < scene.height; y += step) {
      signal?.throwIfAborted();
      const rows: SceneRows = await next!;
      next = y + step < scene.height ? load(y + step) : null;
      // a failure is thrown when its turn comes, not as unhandled before
      next?.catch(() => {});
      yield rows;
    }
  } finally {
    await next?.catch(() => {});
  }
}

/** The same rows, `step` at most at a time: what is computed of them then takes little memory. */
export async function* fewerRows(
  source: AsyncIterable<SceneRows>,
  width: number,
  step: number,
): AsyncGenerator<SceneRows, void, void> {
  for await (const { y, rows, codes, valid } of source)
    for (let from = 0; from < rows; from += step) {
      const count = Math.min(step, rows - from);
      const [first, end] = [from * width, (from + count) * width];
      yield {
        y: y + from,
        rows: count,
        codes: codes.map((band) => band.subarray(first, end)),
        valid: valid?.subarray(first, end) ?? null,
      };
    }
}
