import type { PatchPixels } from '../../dataset/patch.js';
import { Fault } from '../../fault.js';
import { type GpuBuffer, type GpuDevice, gpuDevice, usage } from './device.js';

/** A buffer of patches one behind the other, and its number as shaders see it. */
export interface Chunk {
  number: number;
  words: GpuBuffer;
  uniform: GpuBuffer;
  /** Words taken; places that were given back, by their size. */
  end: number;
  free: Map<number, number[]>;
}

/** A patch on the device, a word a pixel and band (shaders/parts.ts). */
export interface ResidentPatch {
  width: number;
  height: number;
  bands: number;
  /** Valid pixels. */
  valid: number;
  chunk: Chunk;
  /** Its first word. */
  word: number;
}

const wordsOf = ({ width, height, bands }: Pick<PatchPixels, 'width' | 'height' | 'bands'>): number =>
  width * height * bands;

/** Bytes of a patch on the device. */
export const residentBytes = (patch: PatchPixels): number => 4 * wordsOf(patch);

let owner: GpuDevice | null = null;
let chunks: Chunk[] = [];
let living = 0;
let numbered = 0;

const makeChunk = (device: GpuDevice, bytes: number): Chunk => {
  const words = device.createBuffer({
    label: 'bandalign patches',
    size: bytes,
    usage: usage.storage | usage.copyTo,
  });
  const uniform = device.createBuffer({
    label: 'bandalign chunk',
    size: 16,
    usage: usage.uniform | usage.copyTo,
  });
  const number = numbered++;
  device.queue.writeBuffer(uniform, 0, Uint32Array.of(number));
  const chunk = { number, words, uniform, end: 0, free: new Map() };
  chunks.push(chunk);
  return chunk;
};

const findPlace = (device: GpuDevice, count: number, expected: number): { chunk: Chunk; word: number } => {
  for (const chunk of chunks) {
    const word = chunk.free.get(count)?.pop();
    if (word !== undefined) return { chunk, word };
  }
  let chunk = chunks.find(({ end, words }) => 4 * (end + count) <= words.size);
  if (!chunk) {
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    const most = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 4) * 4;
    if (4 * count > most)
      throw new Fault(
        `webgpu: patch of ${4 * count} bytes; more than this device takes at once, use --backend cpu`,
      );
    const fitting = Math.floor(most / (4 * count)) * 4 * count;
    chunk = makeChunk(device, Math.min(fitting, Math.max(4 * count, Math.floor(expected / 4) * 4)));
  }
  const word = chunk.end;
  chunk.end += count;
  return { chunk, word };
};

const pack = (patch: PatchPixels, bandMax: readonly number[]): { packed: Uint32Array; valid: number } => {
  const { width, height, bands, source, target, mask } = patch;
  const pixels = width * height;
  const packed = new Uint32Array(pixels * bands);
  for (let band = 0, i = 0; band < bands; band++) {
    const last = bandMax[band] - 1;
    for (let pixel = 0; pixel < pixels; pixel++, i++) {
      const v = source[i];
      const clipped = v < 0 ? 0 : v > last ? last : v;
      packed[i] = clipped | (mask[pixel] === 0 ? 0 : 0x8000) | (target[i] << 16);
    }
  }
  let valid = 0;
  for (let i = 0; i < pixels; i++) if (mask[i] !== 0) valid++;
  return { packed, valid };
};

/**
 * Packs patches, their source clipped to [0, bandMax − 1], and brings them to the device.
 *
 * @param expected bytes of patches that may come, these included: room is made for so many at once
 */
export const uploadPatches = (
  patches: readonly PatchPixels[],
  bandMax: readonly number[],
  expected: number,
): ResidentPatch[] => {
  const device = gpuDevice();
  if (owner !== device) {
    // a lost device takes its buffers with it
    owner = device;
    chunks = [];
    living = 0;
  }
  const room = Math.max(
    expected,
    patches.reduce((sum, patch) => sum + residentBytes(patch), 0),
  );
  return patches.map((patch) => {
    const { width, height, bands } = patch;
    const { packed, valid } = pack(patch, bandMax);
    const place = findPlace(device, packed.length, room);
    device.queue.writeBuffer(place.chunk.words, 4 * place.word, packed);
    living++;
    return { width, height, bands, valid, ...place };
  });
};

/** Gives places of patches back; with the last one their buffers too. @returns whether none is left */
export const releasePatches = (patches: readonly ResidentPatch[]): boolean => {
  for (const patch of patches) {
    const { chunk, word } = patch;
    if (!chunks.includes(chunk)) continue;
    const size = wordsOf(patch);
    chunk.free.set(size, [...(chunk.free.get(size) ?? []), word]);
    living--;
  }
  if (living > 0) return false;
  for (const { words, uniform } of chunks) {
    words.destroy();
    uniform.destroy();
  }
  chunks = [];
  return true;
};
