import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { findPackage, importPackage, requireFile, shortReason } from '../../engine/optional-package.js';
import { nvidiaCards } from '../../engine/webgpu/device.js';
import { Fault } from '../../fault.js';
import type { BackendDevice } from '../backends.js';

/** What `npm run setup:tensorflow` leaves in its folder (setup/tensorflow.mjs). */
interface BuiltAddon {
  /** Of libtensorflow. */
  tensorflow: string;
  tfjsNode: string;
  /** Paths within the folder. */
  addon: string;
  package: string;
}
interface NativeBackend extends tf.KernelBackend {
  isUsingGpuDevice: boolean;
  binding: { TF_Version: string };
}
interface BackendModule {
  NodeJSKernelBackend: new (binding: object, packageName: string) => NativeBackend;
}

/** What to type for this backend. */
export const tensorflowInstall = 'npm run setup:tensorflow';

/** Where the addon is built: BANDALIGN_TENSORFLOW, or `.tensorflow` in the package's folder. */
export const addonFolder = (): string =>
  process.env['BANDALIGN_TENSORFLOW'] || fileURLToPath(new URL('../../../.tensorflow', import.meta.url));

/** tfjs-node 4.22 calls functions of `util` that Node 23 took away (tfjs #8425). */
const restoreUtil = (): void => {
  const old = util as unknown as Record<string, unknown>;
  old['isNullOrUndefined'] ??= (value: unknown): boolean => value === null || value === undefined;
  old['isArray'] ??= Array.isArray;
};

const loadBuilt = (folder: string): string => {
  const built = JSON.parse(readFileSync(join(folder, 'built.json'), 'utf8')) as BuiltAddon;
  const dist = join(folder, built.package, 'dist');
  const binding = requireFile<object>(join(folder, built.addon));
  requireFile(join(dist, 'register_all_kernels.js'));
  const { NodeJSKernelBackend } = requireFile<BackendModule>(join(dist, 'nodejs_kernel_backend.js'));
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'));
  return `@tensorflow/tfjs-node ${built.tfjsNode}, built here`;
};

const attempts = (): { name: string; load: () => Promise<string> }[] => {
  const folder = addonFolder();
  const own = existsSync(join(folder, 'built.json'))
    ? [{ name: folder, load: async () => loadBuilt(folder) }]
    : [];
  const released = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'].flatMap((name) => {
    const parcel = findPackage(name);
    if (!parcel) return [];
    const load = async (): Promise<string> => {
      await importPackage(parcel);
      return `${name} ${parcel.version}`;
    };
    return [{ name, load }];
  });
  return [...own, ...released];
};

/**
 * TensorFlow's own library behind tfjs-node's addon: the one built by `npm run setup:tensorflow`, else
 * @tensorflow/tfjs-node-gpu, else @tensorflow/tfjs-node where they are installed.
 *
 * @throws Fault that says what was tried and what to type
 */
export const loadTensorflowNative = async (): Promise<BackendDevice> => {
  restoreUtil();
  // its log goes to stderr, a line an allocation
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  const failures: string[] = [];
  for (const { name, load } of attempts()) {
    try {
      const version = await load();
      if (!(await tf.setBackend('tensorflow'))) throw new Error('its backend did not start');
      const { isUsingGpuDevice, binding } = tf.backend() as NativeBackend;
      return {
        version: `${version}, libtensorflow ${binding.TF_Version}`,
        device: isUsingGpuDevice
          ? ((await nvidiaCards()) ?? 'graphics card')
          : `${cpus()[0]?.model ?? 'CPU'} (no graphics card used)`,
        isGpu: isUsingGpuDevice,
      };
    } catch (error) {
      failures.push(`${name}: ${shortReason(error)}`);
    }
  }
  throw new Fault(
    failures.length === 0
      ? `no addon built and no @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node installed: ${tensorflowInstall}`
      : `${failures.join('; ')}: ${tensorflowInstall}`,
  );
};
