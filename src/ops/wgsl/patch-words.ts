import type { PatchPixels } from '../../dataset/patch.js';
import { type GpuBuffer, gpuDevice, usage } from './gpu.js';
import { releaseRoom } from './room.js';

/** A patch on the device, a word a pixel and band (see shader-parts.ts). */
export interface PatchWords {
  form: 'fused';
  width: number;
  height: number;
  bands: number;
  /** Valid pixels. */
  valid: number;
  words: GpuBuffer;
}

/** Bytes of a patch on the device. */
export const wordBytes = ({ width, height, bands }: PatchPixels): number => 4 * width * height * bands;

let living = 0;

/** Packs a patch, its source clipped to [0, bandMax − 1], and brings it to the device. */
export const uploadWords = (patch: PatchPixels, bandMax: readonly number[]): PatchWords => {
  const { width, height, bands, source, target, mask } = patch;
  const pixels = width * height;
  const { copyFrom, copyTo } = usage;
  const words = gpuDevice().createBuffer({
    label: 'bandalign patch',
    size: wordBytes(patch),
    usage: copyFrom | copyTo,
    mappedAtCreation: true,
  });
  const packed = new Uint32Array(words.getMappedRange());
  for (let band = 0, i = 0; band < bands; band++) {
    const last = bandMax[band] - 1;
    for (let pixel = 0; pixel < pixels; pixel++, i++) {
      const v = source[i];
      const clipped = v < 0 ? 0 : v > last ? last : v;
      packed[i] = clipped | (mask[pixel] === 0 ? 0 : 0x8000) | (target[i] << 16);
    }
  }
  words.unmap();
  let valid = 0;
  for (let i = 0; i < pixels; i++) if (mask[i] !== 0) valid++;
  living++;
  return { form: 'fused', width, height, bands, valid, words };
};

/** Gives a patch's room on the device back, and after the last one that of the passes. */
export const releaseWords = ({ words }: PatchWords): void => {
  words.destroy();
  if (--living === 0) releaseRoom();
};
