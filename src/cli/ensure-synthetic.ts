import { join } from 'node:path';
import { syntheticMarker } from '../dataset/synth/marker.js';
import { type SynthOptions, synthesizeDataset } from '../dataset/synth/synth.js';
import { exists } from '../files.js';
import type { Call } from './command.js';
import { version } from './version.js';

/** Makes a synthetic dataset where there is none; one that is there is used as it is. */
export const ensureSynthetic = async (
  call: Call,
  root: string,
  parameters: Pick<SynthOptions, 'seed' | 'tiles'> = {},
): Promise<void> => {
  if (await exists(join(root, syntheticMarker))) return;
  await synthesizeDataset(root, {
    ...parameters,
    version: await version(),
    progress: call.progress,
    signal: call.signal,
  });
};
