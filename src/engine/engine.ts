import { cpus } from 'node:os';
import type { PatchPixels } from '../dataset/patch.js';
import { Fault } from '../fault.js';
import { hasFusedKernels, hasKernel, hasSimd } from '../kernels.js';
import { openPixelRoom, type PixelRoom, pixelError as pixelErrorOnCpu } from './cpu/pixel-error.js';
import { type UnetInputs, type UnetPass, unetForward } from './cpu/unet.js';
import type { DeviceTraining, DeviceTrainingInput } from './device-training.js';
import { shortReason } from './optional-package.js';
import type { PixelError, PixelErrorInputs } from './pixel-error.js';
import type { ResidentPatch } from './webgpu/patches.js';

export type { ResidentPatch } from './webgpu/patches.js';

export const engineNames = ['cpu', 'webgpu'] as const;
export type EngineName = (typeof engineNames)[number];

/** Patches in the memory of a device. */
export interface PatchMemory {
  /** Bytes of a patch on the device. */
  bytes: (patch: PatchPixels) => number;
  /**
   * @param expected bytes of patches that may come, these included: room is made for so many at once
   * @throws Fault where the device is lost or out of memory
   */
  upload: (
    patches: readonly PatchPixels[],
    bandMax: readonly number[],
    expected?: number,
  ) => Promise<ResidentPatch[]>;
  release: (patches: readonly ResidentPatch[]) => void;
}

/** What computes a training step. */
export interface Engine {
  name: EngineName;
  /** Of what lies under it. */
  version: string;
  /** The hardware, in the driver's words. */
  device: string;
  /** Whether it computes on a graphics card; a driver that imitates one on the CPU is none. */
  isGpu: boolean;
  /** The UNet on the host, for steps that are not whole on a device. */
  unetForward: (inputs: UnetInputs, out: Float32Array, moved: Float32Array) => UnetPass;
  /**
   * The error of a batch of patches under LUTs and conv module, and its gradients.
   *
   * @throws Fault where the device is lost or out of memory
   */
  pixelError: (
    inputs: PixelErrorInputs<PatchPixels> | PixelErrorInputs<ResidentPatch>,
  ) => PixelError | Promise<PixelError>;
  /** Null where patches are read from the host's memory. */
  patchMemory: PatchMemory | null;
  /**
   * Opens a training whose steps are whole on the device; null where there is none, or it has not the room.
   *
   * @throws Fault where the device is lost or out of memory
   */
  openTraining: (input: DeviceTrainingInput) => Promise<DeviceTraining | null>;
  /** Room for patches on the host that are computed with where they lie; null where there is none. */
  openPixelRoom: () => PixelRoom | null;
}

const isOnHost = (
  inputs: PixelErrorInputs<PatchPixels> | PixelErrorInputs<ResidentPatch>,
): inputs is PixelErrorInputs<PatchPixels> => 'source' in inputs.patches[0];

const openCpu = async (): Promise<Engine> => {
  if (!hasSimd()) throw new Fault('WebAssembly without SIMD; another Node.js or another machine is needed');
  const missing = ['unet', 'pixel-error', 'adam', 'apply'].filter((name) => !hasKernel(name));
  if (missing.length > 0)
    throw new Fault(`kernels missing: ${missing.join(', ')}; build them: npm run build:kernels`);
  return {
    name: 'cpu',
    version: `WebAssembly SIMD${hasFusedKernels() ? ' with fused multiply-add' : ''}, V8 ${process.versions.v8}`,
    device: cpus()[0]?.model ?? 'CPU',
    isGpu: false,
    unetForward,
    pixelError: (inputs) => {
      if (!isOnHost(inputs)) throw new Error('engine cpu: patches that lie on a device');
      return pixelErrorOnCpu(inputs);
    },
    patchMemory: null,
    openTraining: async () => null,
    openPixelRoom,
  };
};

/** Relative differences that a device's numbers may have from `cpu`'s: float32 sums in another order. */
const tolerance = { mse: 1e-4, gradient: 1e-3 };

/** A small batch of pixels, the same each time. */
const probe = (): PixelErrorInputs<PatchPixels> => {
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const [bands, knots, width, height] = [2, 16, 9, 7];
  const values = (): Int16Array => Int16Array.from({ length: width * height * bands }, () => 1000 * random());
  const patch = (): PatchPixels => {
    const mask = Uint8Array.from({ length: width * height }, (_, i) => +(i % 5 > 0));
    return { width, height, bands, source: values(), target: values(), mask };
  };
  return {
    lut: Float32Array.from({ length: 2 * bands * knots }, () => 1000 * random()),
    conv: Float32Array.from({ length: 9 * bands * bands + 3 * bands }, () => random() - 0.3),
    running: Float32Array.of(0, 0, 1, 1),
    patches: [patch(), patch()],
    bandMax: [1000, 900],
    norm: 'batch',
  };
};

/** ‖a − b‖ / ‖b‖; NaN where a value is. */
export const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
};

/** Why a device's numbers on the probe are not to be trusted, null where they agree with `cpu`'s. */
export const disagreement = (there: PixelError, cpu: PixelError): string | null => {
  const mse = distance([there.mse], [cpu.mse]);
  const gradient = Math.max(distance(there.dLut, cpu.dLut), distance(there.dConv, cpu.dConv));
  return mse <= tolerance.mse && gradient <= tolerance.gradient
    ? null
    : `its numbers are not cpu's: error off by ${mse.toExponential(1)}, gradient by ${gradient.toExponential(1)} (allowed ${tolerance.mse}, ${tolerance.gradient})`;
};

/**
 * Whether the UNet runs on the device: on a graphics card it does; where the CPU imitates one, its kernels are faster.
 * BANDALIGN_DEVICE_UNET (1 or 0) says otherwise.
 */
const isUnetOnDevice = (isGpu: boolean): boolean => {
  const value = process.env['BANDALIGN_DEVICE_UNET'];
  if (!value) return isGpu;
  if (value !== '0' && value !== '1')
    throw new Fault(`BANDALIGN_DEVICE_UNET: ${value}; 1 for the UNet on the device, 0 for it on the host`);
  return value === '1';
};

const openWebgpu = async (): Promise<Engine> => {
  const { deviceTrouble, onDevice, openDevice } = await import('./webgpu/device.js');
  const { releasePatches, residentBytes, uploadPatches } = await import('./webgpu/patches.js');
  const { pixelError, releasePasses } = await import('./webgpu/pixel-error.js');
  const { openDeviceTraining } = await import('./webgpu/training.js');
  const card = await openDevice();
  const memory: PatchMemory = {
    bytes: residentBytes,
    upload: (patches, bandMax, expected = 0) => onDevice(() => uploadPatches(patches, bandMax, expected)),
    release: (patches) => {
      if (releasePatches(patches)) releasePasses();
    },
  };
  const engine: Engine = {
    name: 'webgpu',
    ...card,
    unetForward,
    pixelError: async (inputs) => {
      if (!isOnHost(inputs)) return onDevice(() => pixelError(inputs));
      const patches = await memory.upload(inputs.patches, inputs.bandMax);
      try {
        return await onDevice(() => pixelError({ ...inputs, patches }));
      } finally {
        memory.release(patches);
      }
    },
    patchMemory: memory,
    openTraining: async (input) => (isUnetOnDevice(card.isGpu) ? openDeviceTraining(input) : null),
    openPixelRoom: () => null,
  };
  const differs = disagreement(await engine.pixelError(probe()), pixelErrorOnCpu(probe()));
  const trouble = differs ?? deviceTrouble();
  if (trouble !== null) throw new Fault(trouble);
  return engine;
};

const opened = new Map<EngineName, Engine>();

/**
 * The engine of this name, opened once a process; `webgpu` anew after its device was lost. A device's numbers on a small
 * batch are compared with `cpu`'s first.
 *
 * @throws Fault with the reason where it does not work here
 */
export const openEngine = async (name: EngineName): Promise<Engine> => {
  const ready = opened.get(name);
  const isWell = name === 'cpu' || (await import('./webgpu/device.js')).deviceTrouble() === null;
  if (ready && isWell) return ready;
  try {
    const engine = await (name === 'cpu' ? openCpu() : openWebgpu());
    opened.set(name, engine);
    return engine;
  } catch (error) {
    throw new Fault(`backend: ${name}; ${shortReason(error)}`, 2, { cause: error });
  }
};
