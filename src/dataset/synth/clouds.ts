import type { Random } from '../../config/random.js';
import { smoothNoise } from './noise.js';

/** Clouds over a square of `size` pixels. */
export interface Clouds {
  /** Opacity, 0 to 1, and light that their shadows take away, 0 to 1. */
  opacity: Float32Array;
  shade: Float32Array;
}

/** Reflectance of a thick cloud in blue, green, red and NIR. */
export const cloudReflectance = [0.62, 0.62, 0.63, 0.66] as const;
const fullShade = 0.55;

const moved = (field: Float32Array, size: number, dx: number, dy: number): Float32Array => {
  const out = new Float32Array(field.length);
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const [x, y] = [column - dx, row - dy];
      if (x >= 0 && x < size && y >= 0 && y < size) out[row * size + column] = field[y * size + x];
    }
  return out;
};

/**
 * Clouds of one tile as the two sensors see them, minutes apart: the same field carried on by the wind. Null for a
 * clear sky. Where a patch (a square of `patch` pixels) would keep less than `leastValid`, there is less cloud.
 */
export const drawClouds = (
  random: Random,
  size: number,
  patch: number,
  leastValid: number,
): { source: Clouds; target: Clouds; valid: Uint8Array } | null => {
  if (random.next() < 0.6) return null;
  const field = smoothNoise(random, size, 40, 4);
  const wind: [number, number] = [random.integer(13) - 6, random.integer(13) - 6];
  const sun: [number, number] = [-3 - random.integer(6), -6 - random.integer(10)];
  let threshold = 0.9 + 1.2 * random.next();
  for (;;) {
    const opacity = field.map((value) => Math.min(1, Math.max(0, 3 * (value - threshold))));
    const under = (cover: Float32Array): Clouds => ({
      opacity: cover,
      shade: moved(cover, size, -sun[0], -sun[1]).map((value) => fullShade * value),
    });
    const [source, target] = [under(opacity), under(moved(opacity, size, ...wind))];
    const valid = validOf([source, target], size);
    if (leastShare(valid, size, patch) >= leastValid) return { source, target, valid };
    threshold += 0.2;
  }
};

/** 1 where no sensor has a cloud or a shadow within two pixels. */
const validOf = (views: readonly Clouds[], size: number): Uint8Array => {
  const hit = new Uint8Array(size * size);
  for (const { opacity, shade } of views)
    for (let i = 0; i < hit.length; i++) if (opacity[i] > 0 || shade[i] > 0) hit[i] = 1;
  const valid = new Uint8Array(size * size).fill(1);
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      if (hit[row * size + column] === 0) continue;
      for (let y = Math.max(0, row - 2); y <= Math.min(size - 1, row + 2); y++)
        valid.fill(0, y * size + Math.max(0, column - 2), y * size + Math.min(size, column + 3));
    }
  return valid;
};

const leastShare = (valid: Uint8Array, size: number, patch: number): number => {
  const counts = new Map<number, number>();
  for (let i = 0; i < valid.length; i++) {
    const key = Math.floor(Math.floor(i / size) / patch) * size + Math.floor((i % size) / patch);
    counts.set(key, (counts.get(key) ?? 0) + valid[i]);
  }
  return Math.min(...counts.values()) / patch ** 2;
};
