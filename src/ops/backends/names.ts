import { Fault } from '../../fault.js';

/** What can compute, the order in which the doctor lists it. */
export const backendNames = ['cpu', 'wasm', 'webgpu', 'tensorflow'] as const;

export type BackendName = (typeof backendNames)[number];

/** `auto` leaves the choice to the program (see choose.ts). */
export type BackendChoice = 'auto' | BackendName;

/** @throws Fault where `value` is no choice; `where` is what the reader typed it into */
export const backendChoice = (value: string, where: string): BackendChoice => {
  const choice = (['auto', ...backendNames] as const).find((name) => name === value);
  if (choice === undefined) throw new Fault(`${where}: ${value}; one of auto, ${backendNames.join(', ')}`);
  return choice;
};
