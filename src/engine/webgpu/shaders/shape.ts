import type { GpuDevice } from '../device.js';
import { batchBytes } from './batch.js';

/** What shaders are written for; sizes of images and of a batch are read at run time. */
export interface ShaderShape {
  /** Of a batch, at most. */
  samples: number;
  bands: number;
  knots: number;
  /** Pixels of a tile's side; a workgroup has a thread for each pixel. */
  tile: number;
  /** Whether a workgroup adds up its knots' gradients in its own memory before it goes to the card's. */
  ownSums: boolean;
}

/** Bands go through as vectors of four. */
export const vectorsOf = (bands: number): number => Math.ceil(bands / 4);

/** Bytes that a workgroup of the gradient pass has for itself. */
const workgroupBytes = ({ bands, knots, tile, ownSums }: ShaderShape): number =>
  16 * vectorsOf(bands) * ((tile + 4) ** 2 + (tile + 2) ** 2) + (ownSums ? 8 * bands * knots : 0);

const mostVectors = 4;

const wishes = [
  { tile: 16, ownSums: true },
  { tile: 8, ownSums: true },
  { tile: 16, ownSums: false },
  { tile: 8, ownSums: false },
];

/** The best shape that the device has room for; null where it has none. */
export const shaderShape = (
  { limits }: Pick<GpuDevice, 'limits'>,
  samples: number,
  bands: number,
  knots: number,
): ShaderShape | null => {
  // a thread holds a 4×4 matrix for each pair of vectors in its registers, a uniform nine of them
  const vectors = vectorsOf(bands);
  if (
    vectors > mostVectors ||
    Math.max(16 * (36 * vectors ** 2 + 3 * vectors), batchBytes(samples)) > limits.maxUniformBufferBindingSize
  )
    return null;
  for (const wish of wishes) {
    const shape = { samples, bands, knots, ...wish };
    if (
      wish.tile ** 2 <= limits.maxComputeInvocationsPerWorkgroup &&
      workgroupBytes(shape) <= limits.maxComputeWorkgroupStorageSize
    )
      return shape;
  }
  return null;
};
