import type { PatchPixels } from '../../src/dataset/patch.js';

/** Small deterministic generator (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** A patch with values below 0 and beyond the maxima, and a mask with about `valid` of its pixels. */
export const randomPatch = (
  next: () => number,
  [bands, height, width]: readonly [number, number, number],
  top: number,
  valid = 0.7,
): PatchPixels => ({
  width,
  height,
  bands,
  source: Int16Array.from({ length: bands * height * width }, () => next() * (top + 400) - 200),
  target: Int16Array.from({ length: bands * height * width }, () => next() * top - 50),
  mask: Uint8Array.from({ length: height * width }, () => (next() < valid ? 1 : 0)),
});

export const relativeDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += a[i] ** 2;
  }
  return Math.sqrt(difference / Math.max(size, 1e-30));
};
