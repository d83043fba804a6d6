import * as tf from '@tensorflow/tfjs-core';
import { Fault } from '../../fault.js';
import { shortReason } from './optional-package.js';

const onHost = new Set(['cpu', 'wasm', '']);

let trouble: string | null = null;

/** Remembers that the device is gone or has failed: what it hands out from now on is not to be believed. */
export const noteTrouble = (what: string): void => {
  trouble ??= what;
};

/** Forgets a trouble, before a device is opened anew. */
export const clearTrouble = (): void => {
  trouble = null;
};

/** What the running device reported, null while it is well. */
export const deviceTrouble = (): string | null => trouble;

const fault = (what: string, cause?: unknown): Fault =>
  new Fault(
    `backend: ${tf.getBackend()} failed (${what}); the last checkpoint is kept, --resume --backend cpu goes on`,
    1,
    { cause },
  );

/**
 * Awaits work on the device. A lost device or memory that ran out is a {@link Fault} that says how to go on; errors of
 * the host's own backends, and faults, come through as they are.
 */
export const onDevice = async <T>(work: () => Promise<T>): Promise<T> => {
  const isDevice = !onHost.has(tf.getBackend());
  let result: T;
  try {
    result = await work();
  } catch (error) {
    if (!isDevice || error instanceof Fault) throw error;
    throw fault(trouble ?? shortReason(error), error);
  }
  if (isDevice && trouble !== null) throw fault(trouble);
  return result;
};
