import { type GpuBuffer, type GpuDevice, usage } from './device.js';

/** What each binding of the shaders is, by number. */
export const bindingNames = [
  ...['frame', 'conv', 'words', 'luts', 'partials', 'constants', 'knotSums', 'weightSums'],
] as const;
export type BindingName = (typeof bindingNames)[number];

const { storage, uniform, copyFrom, copyTo, mapRead } = usage;

const usages: Record<Exclude<BindingName, 'words' | 'frame'> | 'staging', number> = {
  conv: uniform | copyTo,
  luts: storage | copyTo,
  partials: storage,
  constants: storage | copyFrom | copyTo,
  knotSums: storage | copyFrom | copyTo,
  weightSums: storage | copyFrom,
  staging: mapRead | copyTo,
};

type Kind = keyof typeof usages | `words ${number}` | `frame ${number}`;

let owner: GpuDevice | null = null;
let buffers = new Map<Kind, GpuBuffer>();

/** Destroys what the passes hold beside the patches. */
export const releaseBuffers = (): void => {
  for (const buffer of buffers.values()) buffer.destroy();
  buffers = new Map();
  owner = null;
};

/** A buffer of at least `bytes`, kept from step to step. */
export const pooledBuffer = (device: GpuDevice, kind: Kind, bytes: number): GpuBuffer => {
  if (owner !== device) {
    // a lost device takes its buffers with it
    buffers = new Map();
    owner = device;
  }
  const held = buffers.get(kind);
  if (held && held.size >= bytes) return held;
  held?.destroy();
  const use = kind.startsWith('words')
    ? storage | copyTo
    : kind.startsWith('frame')
      ? uniform | copyTo
      : usages[kind as keyof typeof usages];
  const buffer = device.createBuffer({ label: `bandalign ${kind}`, size: bytes, usage: use });
  buffers.set(kind, buffer);
  return buffer;
};
