import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { hasSimd } from '../../kernels.js';
import type { Loaded } from './loaded.js';

/** TensorFlow.js's own WebAssembly backend. It lacks conv2d's filter gradient and gather's; the composed ops use neither. */
export const loadWasm = async (): Promise<Loaded> => {
  const { version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
  const simd = hasSimd() ? 'SIMD' : 'no SIMD';
  return {
    version: `@tensorflow/tfjs-backend-wasm ${version_wasm}`,
    device: `${cpus()[0]?.model ?? 'CPU'} (WebAssembly, ${simd})`,
    isGpu: false,
  };
};

/** The pure JavaScript backend, which our fused WebAssembly kernels extend. */
export const loadCpu = async (): Promise<Loaded> => ({
  version: `@tensorflow/tfjs ${tf.version_core}`,
  device: cpus()[0]?.model ?? 'CPU',
  isGpu: false,
});
