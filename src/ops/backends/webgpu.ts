import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { Fault } from '../../fault.js';
import { nvidiaCards } from './card-name.js';
import { clearTrouble, noteTrouble } from './device-trouble.js';
import type { Loaded } from './loaded.js';
import { findPackage, importPackage, type OptionalPackage, shortReason } from './optional-package.js';

/** The parts of WebGPU that are used here; the packages' own types come only with the packages. */
interface Adapter {
  features: Set<string>;
  limits: Record<string, number>;
  info?: { vendor?: string; architecture?: string; device?: string; description?: string };
  requestDevice(descriptor: object): Promise<Device>;
}
interface Device {
  lost: Promise<{ reason?: string; message?: string }>;
  addEventListener(
    name: 'uncapturederror',
    listener: (event: { error?: { message?: string } }) => void,
  ): void;
  destroy(): void;
}
interface Gpu {
  requestAdapter(options?: object): Promise<Adapter | null>;
}
interface Dawn {
  create(options: string[]): Gpu;
  globals: object;
}
interface TfjsWebgpu {
  WebGPUBackend: new (device: Device, info: object | undefined) => tf.KernelBackend;
}

/** What to type for this backend; the packages may as well be installed as dependencies are. */
export const webgpuInstall = 'npm run setup:webgpu';

/** Where `npm run setup:webgpu` puts the packages: BANDALIGN_WEBGPU, or `.webgpu` in the package's folder. */
const packagesFolder = (): string =>
  process.env['BANDALIGN_WEBGPU'] || fileURLToPath(new URL('../../../.webgpu', import.meta.url));

const limits = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const;

let gpu: Gpu | null = null;
let opened: Device | null = null;

const found = (name: string): OptionalPackage => {
  const parcel = findPackage(name, packagesFolder());
  if (!parcel) throw new Fault(`${name} is not installed: ${webgpuInstall}`);
  return parcel;
};

const openAdapter = async (dawn: OptionalPackage): Promise<Adapter> => {
  if (!gpu) {
    const { create, globals } = await importPackage<Dawn>(dawn);
    Object.assign(globalThis, globals);
    gpu = create([]);
    // TensorFlow.js asks navigator.gpu whether there is WebGPU; Node 20 has no navigator, later ones have it without gpu
    const host = globalThis as { navigator?: object };
    host.navigator ??= {};
    Object.defineProperty(host.navigator, 'gpu', { value: gpu, configurable: true });
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Fault(
      process.platform === 'linux'
        ? 'no graphics adapter: install the driver of the card, libvulkan1 and for NVIDIA libegl1 and libgl1 (vulkaninfo should list it)'
        : 'no graphics adapter: install the driver of the card',
    );
  return adapter;
};

/** Ends the device, as a card that falls off its bus would. For tests. */
export const loseDevice = (): void => opened?.destroy();

/**
 * TensorFlow.js's WebGPU backend on Dawn (npm `webgpu`). The backend is made here and not by its own factory: that one
 * hands a nested array to requestDevice, and keeps silent about lost devices and failed allocations.
 *
 * @throws Fault that says what is missing
 */
export const loadWebgpu = async (): Promise<Loaded> => {
  const dawn = found('webgpu');
  const tfjs = found('@tensorflow/tfjs-backend-webgpu');
  const adapter = await openAdapter(dawn);
  const { WebGPUBackend } = await importPackage<TfjsWebgpu>(tfjs);
  let device: Device;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: ['timestamp-query', 'bgra8unorm-storage'].filter((name) =>
        adapter.features.has(name),
      ),
      requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
    });
  } catch (error) {
    throw new Fault(`the device did not open: ${shortReason(error)}`);
  }
  clearTrouble();
  opened = device;
  void device.lost.then(({ reason, message }) => {
    if (opened === device) noteTrouble(`device lost: ${message || reason || 'no reason given'}`);
  });
  // memory that ran out shows up here only, and as zeros in the results
  device.addEventListener('uncapturederror', ({ error }) => {
    if (opened === device) noteTrouble(shortReason(error?.message ?? 'an error without a message'));
  });
  tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => new WebGPUBackend(device, adapter.info));
  const { vendor, architecture, device: card, description } = adapter.info ?? {};
  // Dawn tells the version of NVIDIA's driver, not the card
  const name = vendor === 'nvidia' ? await nvidiaCards() : null;
  return {
    version: `${tfjs.name} ${tfjs.version} on ${dawn.name} ${dawn.version}`,
    device: [name, description || card || 'unnamed adapter', [vendor, architecture].filter(Boolean).join(' ')]
      .filter(Boolean)
      .join(', '),
    isGpu: !/swiftshader|llvmpipe|lavapipe|basic render/i.test(`${description} ${card} ${architecture}`),
  };
};
