import * as tf from '@tensorflow/tfjs-core';
import { Fault } from '../fault.js';
import { hasKernel, hasSimd } from '../kernels.js';

/**
 * `composed`: TensorFlow.js ops, on any backend. `fused`: a WebAssembly kernel of ours, on the cpu backend, or WebGPU
 * shaders on the webgpu backend.
 */
export type Form = 'composed' | 'fused';

/** Each op that has a fused form, and the kernel (dist/kernels/NAME.wasm) it needs; null: plain JavaScript. */
const kernelOf = {
  unet: 'unet',
  adam: 'adam',
  'align-loss': 'pixel-error',
  'apply-conv': 'apply',
  'quadratic-mse': null,
  'lut-head': null,
  regularisers: null,
  'resident-loss': null,
} as const satisfies Record<string, string | null>;

/** Ops on plain arrays, which no backend of TensorFlow.js hinders. */
const onArrays: ReadonlySet<string> = new Set(['apply-conv', 'adam']);

/** Ops on pixels that lie on a device. */
const onDevices: ReadonlySet<string> = new Set(['resident-loss']);

export type Op = keyof typeof kernelOf;

let insisted: Form | null = null;

/** Insists on one form of every op (tests, benchmarks); null goes back to BANDALIGN_OPS, and failing that to choice. */
export const insistOnForm = (form: Form | null): void => {
  insisted = form;
};

const wished = (): Form | null => {
  if (insisted) return insisted;
  const value = process.env['BANDALIGN_OPS'];
  if (value === undefined || value === '' || value === 'auto') return null;
  if (value === 'composed' || value === 'fused') return value;
  throw new Fault(`BANDALIGN_OPS: ${value}; one of auto, composed, fused`);
};

const obstacle = (op: Op): string | null => {
  const backend = tf.getBackend();
  if (onDevices.has(op)) return backend === 'webgpu' ? null : `the ${backend || 'missing'} backend`;
  if (backend !== 'cpu' && !onArrays.has(op)) return `the ${backend || 'missing'} backend`;
  const kernel = kernelOf[op];
  if (kernel === null) return null;
  if (!hasSimd()) return 'this host, whose WebAssembly has no SIMD';
  if (!hasKernel(kernel)) return `a build without ${kernel}.wasm (npm run build:kernels)`;
  return null;
};

/** Which form `op` runs now, and why. A {@link Fault} where the fused form is insisted on and cannot run. */
export const formOf = (op: Op): { form: Form; why: string } => {
  const wish = wished();
  if (wish === 'composed') return { form: 'composed', why: 'asked for' };
  const hindrance = obstacle(op);
  if (!hindrance)
    return {
      form: 'fused',
      why: wish ? 'asked for' : onDevices.has(op) ? `${tf.getBackend()} backend` : 'cpu backend',
    };
  if (wish === 'fused') throw new Fault(`op ${op}: no fused form on ${hindrance}; unset BANDALIGN_OPS`);
  return { form: 'composed', why: `no fused form on ${hindrance}` };
};

/** Whether `op` runs its fused form now. */
export const isFused = (op: Op): boolean => formOf(op).form === 'fused';

/** The form of every op that has two, for `--verbose`, run records and the benchmark. */
export const opForms = (): Partial<Record<Op, { form: Form; why: string }>> => {
  const forms: Partial<Record<Op, { form: Form; why: string }>> = {};
  const isHost = tf.getBackend() === 'cpu';
  for (const op of Object.keys(kernelOf) as Op[]) if (!isHost || !onDevices.has(op)) forms[op] = formOf(op);
  return forms;
};
