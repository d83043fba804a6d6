import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Fault } from '../../fault.js';
import { findPackage, importPackage, type OptionalPackage, shortReason } from '../optional-package.js';

/** The parts of WebGPU that are used here; the package's own types come only with the package. */
export interface GpuBuffer {
  readonly size: number;
  mapAsync(mode: number, offset?: number, size?: number): Promise<void>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}
export interface GpuPipeline {
  getBindGroupLayout(index: number): object;
}
export interface GpuPass {
  setPipeline(pipeline: GpuPipeline): void;
  setBindGroup(index: number, group: object): void;
  dispatchWorkgroups(x: number, y?: number): void;
  end(): void;
}
export interface GpuEncoder {
  beginComputePass(): GpuPass;
  copyBufferToBuffer(from: GpuBuffer, at: number, to: GpuBuffer, toAt: number, size: number): void;
  clearBuffer(buffer: GpuBuffer, offset?: number, size?: number): void;
  finish(): object;
}
export interface GpuDevice {
  limits: Record<
    | 'maxComputeWorkgroupStorageSize'
    | 'maxComputeWorkgroupsPerDimension'
    | 'maxComputeInvocationsPerWorkgroup'
    | 'maxStorageBufferBindingSize'
    | 'maxUniformBufferBindingSize'
    | 'maxBufferSize',
    number
  >;
  queue: {
    writeBuffer(buffer: GpuBuffer, at: number, data: ArrayBufferView): void;
    submit(commands: object[]): void;
  };
  createBuffer(wish: { label: string; size: number; usage: number; mappedAtCreation?: boolean }): GpuBuffer;
  createShaderModule(wish: { label: string; code: string }): object;
  createComputePipelineAsync(wish: {
    label: string;
    layout: 'auto' | object;
    compute: { module: object; entryPoint: string };
  }): Promise<GpuPipeline>;
  createBindGroupLayout(wish: {
    entries: { binding: number; visibility: number; buffer: { type: string } }[];
  }): object;
  createPipelineLayout(wish: { bindGroupLayouts: object[] }): object;
  createBindGroup(wish: {
    layout: object;
    entries: { binding: number; resource: { buffer: GpuBuffer } }[];
  }): object;
  createCommandEncoder(): GpuEncoder;
  lost: Promise<{ reason?: string; message?: string }>;
  addEventListener(
    name: 'uncapturederror',
    listener: (event: { error?: { message?: string } }) => void,
  ): void;
  destroy(): void;
}

/** WebGPU's numbers for what a buffer is for. */
export const usage = { mapRead: 0x1, copyFrom: 0x4, copyTo: 0x8, uniform: 0x40, storage: 0x80 } as const;
/** GPUMapMode.READ */
export const forReading = 1;
/** GPUShaderStage.COMPUTE */
export const forCompute = 4;

interface Adapter {
  limits: Record<string, number>;
  info?: { vendor?: string; architecture?: string; device?: string; description?: string };
  requestDevice(descriptor: object): Promise<GpuDevice>;
}
interface Gpu {
  requestAdapter(options?: object): Promise<Adapter | null>;
}

/** What to type for this engine; the package may as well be installed as dependencies are. */
export const webgpuInstall = 'npm run setup:webgpu';

/** Where `npm run setup:webgpu` puts the package: BANDALIGN_WEBGPU, or `.webgpu` in the package's folder. */
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

/** A device, and what it reported: null while it is well. */
interface Opened {
  device: GpuDevice;
  trouble: string | null;
}

// kept: Dawn's objects die with it
let gpu: Gpu | null = null;
let opened: Opened | null = null;

const findDawn = (): OptionalPackage => {
  const dawn = findPackage('webgpu', packagesFolder());
  if (!dawn) throw new Fault(`webgpu is not installed: ${webgpuInstall}`);
  return dawn;
};

const openAdapter = async (dawn: OptionalPackage): Promise<Adapter> => {
  gpu ??= (await importPackage<{ create(options: string[]): Gpu }>(dawn)).create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Fault(
      process.platform === 'linux'
        ? 'no graphics adapter: install the driver of the card, libvulkan1 and for NVIDIA libegl1 and libgl1 (vulkaninfo should list it)'
        : 'no graphics adapter: install the driver of the card',
    );
  return adapter;
};

/** The names of NVIDIA's cards in the words of their driver; null where its `nvidia-smi` does not answer. */
export const nvidiaCards = (): Promise<string | null> =>
  promisify(execFile)('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], { timeout: 10_000 }).then(
    ({ stdout }) => stdout.trim().split('\n').join(', '),
    () => null,
  );

/** What computes, in the words of its driver. */
export interface Card {
  version: string;
  device: string;
  /** Whether it is a graphics card; a driver that imitates one on the CPU is none. */
  isGpu: boolean;
}

/**
 * Opens a device of Dawn (npm `webgpu`), a new one each time.
 *
 * @throws Fault that says what is missing
 */
export const openDevice = async (): Promise<Card> => {
  const dawn = findDawn();
  const adapter = await openAdapter(dawn);
  let device: GpuDevice;
  try {
    device = await adapter.requestDevice({
      requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
    });
  } catch (error) {
    throw new Fault(`the device did not open: ${shortReason(error)}`);
  }
  const own: Opened = { device, trouble: null };
  opened = own;
  void device.lost.then(({ reason, message }) => {
    own.trouble ??= `device lost: ${message || reason || 'no reason given'}`;
  });
  // memory that ran out shows up here only, and as zeros in the results
  device.addEventListener('uncapturederror', ({ error }) => {
    own.trouble ??= shortReason(error?.message ?? 'an error without a message');
  });
  const { vendor, architecture, device: card, description } = adapter.info ?? {};
  // Dawn tells the version of NVIDIA's driver, not the card
  const name = vendor === 'nvidia' ? await nvidiaCards() : null;
  return {
    version: `${dawn.name} ${dawn.version}`,
    device: [name, description || card || 'unnamed adapter', [vendor, architecture].filter(Boolean).join(' ')]
      .filter(Boolean)
      .join(', '),
    isGpu: !/swiftshader|llvmpipe|lavapipe|basic render/i.test(`${description} ${card} ${architecture}`),
  };
};

/** The device that was opened last. */
export const gpuDevice = (): GpuDevice => {
  if (!opened) throw new Error('webgpu: no device is open');
  return opened.device;
};

/** What the device reported: that it is lost, or out of memory; null while it is well. */
export const deviceTrouble = (): string | null => opened?.trouble ?? null;

/** Ends the device, as a card that falls off its bus would. For tests. */
export const loseDevice = (): void => opened?.device.destroy();

const failure = (what: string, cause?: unknown): Fault =>
  new Fault(
    `backend: webgpu failed (${what}); the last checkpoint is kept, --resume --backend cpu goes on`,
    1,
    { cause },
  );

/** @throws Fault where the device has reported that it is lost, or out of memory */
export const checkDevice = (): void => {
  const trouble = deviceTrouble();
  if (trouble !== null) throw failure(trouble);
};

/**
 * Does work on the device.
 *
 * @throws Fault that says how to go on, where the device is lost or its memory ran out: what it hands out then is not to
 *   be believed
 */
export const onDevice = async <T>(work: () => T | Promise<T>): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw failure(deviceTrouble() ?? shortReason(error), error);
  }
  checkDevice();
  return result;
};
