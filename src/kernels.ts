import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Fault } from './fault.js';

/** `() => v128`: i8x16.popcnt of a splat; valid only where the host has 128-bit SIMD. */
const simdProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98,
  11,
]);

let simd: boolean | undefined;

/** Whether this host runs WebAssembly with 128-bit SIMD. */
export const hasSimd = (): boolean => {
  simd ??= typeof WebAssembly === 'object' && WebAssembly.validate(simdProbe);
  return simd;
};

/**
 * `() => i32`: 1 where `f32x4.relaxed_madd` rounds once (4097·4097 − fround(4097·4097) is then not 0); valid only where the
 * host has relaxed SIMD.
 */
const fusedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 65, 1, 63, 1, 2,
  123, 253, 12, 0, 8, 128, 69, 0, 8, 128, 69, 0, 8, 128, 69, 0, 8, 128, 69, 33, 0, 32, 0, 32, 0, 253, 230, 1,
  33, 1, 32, 0, 32, 0, 32, 1, 253, 225, 1, 253, 133, 2, 253, 31, 0, 67, 0, 0, 0, 0, 92, 4, 127, 65, 1, 5, 65,
  0, 11, 15, 11,
]);

let fused: boolean | undefined;

/** Whether this host has relaxed SIMD. Node.js 20 does behind a flag of V8's, which may be raised before it is used first. */
const hasRelaxedSimd = (): boolean => {
  if (WebAssembly.validate(fusedProbe)) return true;
  if (!process.versions.node.startsWith('20.')) return false;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(fusedProbe);
};

/**
 * Whether the kernels of training fuse multiplications and additions here, as they do on a processor that can unless BANDALIGN_FUSED is 0.
 * Results then differ in their last bits from those of other hosts.
 */
export const hasFusedKernels = (): boolean => {
  fused ??=
    process.env['BANDALIGN_FUSED'] !== '0' &&
    hasSimd() &&
    hasRelaxedSimd() &&
    (new WebAssembly.Instance(new WebAssembly.Module(fusedProbe)).exports['f'] as () => number)() === 1;
  return fused;
};

/** Kernels that are built twice, those of training; what the others compute has nothing to fuse, or must not depend on it. */
const builtTwice: ReadonlySet<string> = new Set(['unet', 'pixel-error']);

const kernelPath = (name: string): string => {
  const file = builtTwice.has(name) && hasFusedKernels() ? `${name}-fused` : name;
  return fileURLToPath(new URL(`../dist/kernels/${file}.wasm`, import.meta.url));
};

/** Whether kernel `NAME` is built. */
export const hasKernel = (name: string): boolean => modules.has(name) || existsSync(kernelPath(name));

const modules = new Map<string, WebAssembly.Module>();

/**
 * The compiled kernel `dist/kernels/NAME.wasm`, read and compiled once a process. Throws where the file is missing
 * (`npm run build:kernels` makes it).
 */
export const kernelModule = (name: string): WebAssembly.Module => {
  let module = modules.get(name);
  if (!module) {
    module = new WebAssembly.Module(readFileSync(kernelPath(name)));
    modules.set(name, module);
  }
  return module;
};

/** Bytes at the start of a kernel's memory that the host leaves to the compiler. */
export const reservedBytes = 1024;

/**
 * An instance of kernel `NAME` over `memory` (kernels import theirs). `Exports` is the caller's word for what the
 * kernel exports; see kernels/NAME.entry.ts.
 */
export const loadKernel = <Exports extends object>(name: string, memory: WebAssembly.Memory): Exports => {
  const abort = (): never => {
    throw new Error(`kernel ${name}: aborted`);
  };
  const imports = { env: { memory, abort } };
  return new WebAssembly.Instance(kernelModule(name), imports).exports as unknown as Exports;
};

/** A memory of at least `bytes`, not shared. A {@link Fault} where this host has not as much (4 GiB at most). */
export const kernelMemory = (bytes: number): WebAssembly.Memory => {
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
  } catch (error) {
    const size = (bytes / 2 ** 30).toFixed(1);
    throw new Fault(`kernel memory: ${size} GiB; a smaller batch or model`, 1, { cause: error });
  }
};

/** Hands out 16-byte-aligned (or coarser) stretches of a memory that is not there yet. */
export const memoryPlan = (start = reservedBytes) => {
  let end = start;
  return {
    /** Bytes planned so far. */
    size: (): number => end,
    /** Address of a new stretch of `bytes`. */
    take: (bytes: number, align = 64): number => {
      const address = Math.ceil(end / align) * align;
      end = address + bytes;
      return address;
    },
  };
};
