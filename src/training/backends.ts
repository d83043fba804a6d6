import { chosen } from '../config/spelling.js';

/** What can compute, in the order in which `bandalign backends` lists it. */
export const backendNames = ['cpu', 'wasm', 'webgpu', 'tensorflow'] as const;

export type BackendName = (typeof backendNames)[number];

/** `auto` leaves the choice to the program (see {@link chooseBackend}). */
export type BackendChoice = 'auto' | BackendName;

/** What a backend computes on. */
export interface BackendDevice {
  /** Version of the package, and of what lies under it. */
  version: string;
  /** The hardware, in the driver's words. */
  device: string;
  /** Whether it computes on a graphics card; a driver that imitates one on the CPU is none. */
  isGpu: boolean;
}

/** @throws Fault where `value` is no choice; `where` is what the reader typed it into */
export const backendChoice = (value: string, where: string): BackendChoice => {
  return chosen(where, value, ['auto', ...backendNames]);
};

/**
 * The backend that `choice` asks for; `auto` asks BANDALIGN_BACKEND, and failing that takes `cpu`: measured faster than
 * every other on hosts, and the one whose bits do not depend on a driver.
 */
export const chooseBackend = (choice: BackendChoice): { name: BackendName; why: string } => {
  if (choice !== 'auto') return { name: choice, why: 'asked for' };
  const value = process.env['BANDALIGN_BACKEND'];
  const wish = value ? backendChoice(value, 'BANDALIGN_BACKEND') : 'auto';
  return wish === 'auto' ? { name: 'cpu', why: 'auto' } : { name: wish, why: 'BANDALIGN_BACKEND' };
};
