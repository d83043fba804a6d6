import * as tf from '@tensorflow/tfjs-core';
import { Fault } from '../../fault.js';
import { formOf } from '../form.js';
import { deviceTrouble } from './device-trouble.js';
import type { Loaded } from './loaded.js';
import { type BackendChoice, type BackendName, backendChoice } from './names.js';
import { shortReason } from './optional-package.js';
import { disagreement, type ProbeResult, probe } from './probe.js';

/** A backend that was loaded and probed. */
export interface OpenBackend extends Loaded {
  name: BackendName;
}

/** The backend that computes, and why this one. */
export interface RunningBackend extends OpenBackend {
  why: string;
}

const loaders: Record<BackendName, () => Promise<Loaded>> = {
  cpu: async () => (await import('./wasm.js')).loadCpu(),
  wasm: async () => (await import('./wasm.js')).loadWasm(),
  webgpu: async () => (await import('./webgpu.js')).loadWebgpu(),
  tensorflow: async () => (await import('./tensorflow-native.js')).loadTensorflowNative(),
};

const open = new Map<BackendName, OpenBackend>();
let reference: ProbeResult | null = null;

const use = async (name: BackendName): Promise<void> => {
  if (!(await tf.setBackend(name))) throw new Error('TensorFlow.js could not start it');
};

/**
 * Loads a backend, compares a small forward and backward pass with `cpu`'s, and leaves it set.
 *
 * @throws Fault with the reason, and then the backend that was set before stays set
 */
export const openBackend = async (name: BackendName): Promise<OpenBackend> => {
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
    const loaded = await loaders[name]();
    await use(name);
    const differs = name === 'cpu' ? null : disagreement(await probe(), reference!);
    const trouble = deviceTrouble();
    if (differs ?? (name === 'webgpu' && trouble)) throw new Fault(differs ?? trouble!);
    const opened = { name, ...loaded };
    open.set(name, opened);
    return opened;
  } catch (error) {
    await tf.setBackend(before);
    throw new Fault(`backend: ${name}; ${shortReason(error)}`, 2, { cause: error });
  }
};

/** Whether every op that training spends its time in has its fused form on `cpu`. */
const isFusedOnCpu = async (): Promise<boolean> => {
  await use('cpu');
  return (['unet', 'align-loss'] as const).every((op) => formOf(op).form === 'fused');
};

/**
 * `auto`: `cpu` with its fused kernels, measured faster than every other on hosts (see `bandalign backends`), and the
 * one whose bits do not depend on a driver. Where the kernels cannot run, the composed ops are slowest on `cpu`: the
 * first of the others that works.
 */
const openAuto = async (): Promise<RunningBackend> => {
  if (await isFusedOnCpu()) return { ...(await openBackend('cpu')), why: 'auto: fused kernels' };
  const { why } = formOf('unet');
  const hindrance = `auto: ${why === 'asked for' ? 'composed ops asked for' : why}`;
  for (const name of ['tensorflow', 'webgpu', 'wasm'] as const) {
    const opened = await openBackend(name).catch(() => null);
    if (opened && (opened.isGpu || name !== 'webgpu'))
      return { ...opened, why: `${hindrance}; the first that works` };
  }
  return { ...(await openBackend('cpu')), why: `${hindrance}; no other backend works` };
};

/**
 * Sets the backend that `choice` asks for; `auto` asks BANDALIGN_BACKEND first.
 *
 * @throws Fault where a backend that was asked for by name does not work: never another one in its place
 */
export const chooseBackend = async (choice: BackendChoice): Promise<RunningBackend> => {
  if (choice !== 'auto') return { ...(await openBackend(choice)), why: 'asked for' };
  const value = process.env['BANDALIGN_BACKEND'];
  const wish = value ? backendChoice(value, 'BANDALIGN_BACKEND') : 'auto';
  if (wish !== 'auto') return { ...(await openBackend(wish)), why: 'BANDALIGN_BACKEND' };
  return openAuto();
};
