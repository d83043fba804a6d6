import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { findPackage, importPackage, shortReason } from '../../engine/optional-package.js';
import { deviceTrouble, gpuDevice, openDevice, webgpuInstall } from '../../engine/webgpu/device.js';
import { Fault } from '../../fault.js';
import type { BackendDevice, BackendName } from '../backends.js';
import { loadTensorflowNative } from './native.js';
import { disagreement, type ProbeResult, probe } from './probe.js';

const require = createRequire(import.meta.url);

/** What setup/bundle-tensorflow.mjs makes of TensorFlow.js: `ops.cjs`, `wasm.cjs` and its binaries. */
const bundled = fileURLToPath(new URL('../../../dist/tensorflow/', import.meta.url));

/** Gradients and chained ops, which the core's build for Node does not register, and the backend `cpu`; when tensors are wanted. */
const registerOps = (): void => void require(join(bundled, 'ops.cjs'));

const cpuModel = (): string => cpus()[0]?.model ?? 'CPU';

/** Where `npm run setup:webgpu` puts the packages: BANDALIGN_WEBGPU, or `.webgpu` in the package's folder. */
const webgpuFolder = (): string =>
  process.env['BANDALIGN_WEBGPU'] || fileURLToPath(new URL('../../../.webgpu', import.meta.url));

/**
 * TensorFlow.js's WebGPU backend on the engine's device. It is made here and not by its own factory: that one hands a
 * nested array to requestDevice, and keeps silent about lost devices and failed allocations.
 */
const loadWebgpu = async (): Promise<BackendDevice> => {
  const [dawn, tfjs] = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].map((name) => {
    const found = findPackage(name, webgpuFolder());
    if (!found) throw new Fault(`${name} is not installed: ${webgpuInstall}`);
    return found;
  });
  const { globals } = await importPackage<{ globals: object }>(dawn);
  Object.assign(globalThis, globals);
  // TensorFlow.js asks navigator.gpu whether there is WebGPU; Node 20 has no navigator, later ones have it without gpu
  const host = globalThis as { navigator?: object };
  host.navigator ??= {};
  Object.defineProperty(host.navigator, 'gpu', { value: {}, configurable: true });
  const card = await openDevice();
  const { WebGPUBackend } = await importPackage<{
    WebGPUBackend: new (device: object) => tf.KernelBackend;
  }>(tfjs);
  tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => new WebGPUBackend(gpuDevice()));
  return { ...card, version: `${tfjs.name} ${tfjs.version} on ${card.version}` };
};

const loaders: Record<BackendName, () => Promise<BackendDevice>> = {
  cpu: async () => ({ version: `@tensorflow/tfjs ${tf.version_core}`, device: cpuModel(), isGpu: false }),
  wasm: async () => {
    const { version_wasm, setWasmPaths } = require(join(bundled, 'wasm.cjs')) as {
      version_wasm: string;
      setWasmPaths: (folder: string) => void;
    };
    setWasmPaths(bundled);
    const version = `@tensorflow/tfjs-backend-wasm ${version_wasm}`;
    return { version, device: `${cpuModel()} (WebAssembly)`, isGpu: false };
  },
  webgpu: loadWebgpu,
  tensorflow: loadTensorflowNative,
};

const open = new Map<BackendName, BackendDevice>();
let reference: ProbeResult | null = null;

const use = async (name: BackendName): Promise<void> => {
  if (!(await tf.setBackend(name))) throw new Error('TensorFlow.js could not start it');
};

/**
 * Makes TensorFlow.js ready on a backend: gradients registered, its advice to install the native package silenced, a small
 * forward and backward pass compared with `cpu`'s.
 *
 * @throws Fault with the reason, and then the backend that was set before stays set
 */
export const startTensorflow = async (name: BackendName): Promise<BackendDevice> => {
  registerOps();
  tf.env().set('PROD', true);
  const before = tf.getBackend() || 'cpu';
  if (deviceTrouble() !== null) open.delete('webgpu');
  try {
    const ready = open.get(name);
    if (ready) {
      await use(name);
      return ready;
    }
    if (name !== 'cpu') {
      await use('cpu');
      reference ??= await probe();
    }
    const device = await loaders[name]();
    await use(name);
    const differs = name === 'cpu' ? null : disagreement(await probe(), reference!);
    const trouble = name === 'webgpu' ? deviceTrouble() : null;
    if (differs ?? trouble) throw new Fault(differs ?? trouble!);
    open.set(name, device);
    return device;
  } catch (error) {
    await tf.setBackend(before);
    throw new Fault(`backend: ${name}; ${shortReason(error)}`, 2, { cause: error });
  }
};
