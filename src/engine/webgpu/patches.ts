import type { PatchPixels } from '../../dataset/patch.js';
import { releaseBuffers } from './buffer-pool.js';
import { type GpuBuffer, gpuDevice, usage } from './device.js';

/** A patch on the device, a word a pixel and band (shaders/parts.ts). */
export interface ResidentPatch {
  width: number;
  height: number;
  bands: number;
  /** Valid pixels. */
  valid: number;
  words: GpuBuffer;
}

/** Bytes of a patch on the device. */
export const residentBytes = ({ width, height, bands }: PatchPixels): number => 4 * width * height * bands;

let living = 0;

/** Packs a patch, its source clipped to [0, bandMax − 1], and brings it to the device. */
export const uploadPatch = (patch: PatchPixels, bandMax: readonly number[]): ResidentPatch => {
  const { width, height, bands, source, target, mask } = patch;
  const pixels = width * height;
  const { copyFrom, copyTo } = usage;
  const words = gpuDevice().createBuffer({
    label: 'bandalign patch',
    size: residentBytes(patch),
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
  return { width, height, bands, valid, words };
};

/** Gives a patch's memory on the device back, and after the last one the buffers of the passes. */
export const releasePatch = ({ words }: ResidentPatch): void => {
  words.destroy();
  if (--living === 0) releaseBuffers();
};
