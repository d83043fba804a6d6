import { join, resolve } from 'node:path';
import { Fault } from '../fault.js';

/** The files of one run. A run without a valid `result.json` is not finished. */
export interface RunFolder {
  folder: string;
  tag: string;
  /** The resolved configuration. */
  experiment: string;
  environment: string;
  /** A line per epoch. */
  metrics: string;
  /** Samples of the machine, a line each. */
  system: string;
  /** Per-tile records of the tested splits, a line each. */
  tiles: string;
  /** Written last, atomically. */
  result: string;
  checkpoints: string;
  best: string;
  last: string;
  /** `checkpoints/epoch-0005.safetensors`. */
  epoch: (epoch: number) => string;
}

/** A name, or names with `/` between (`sweep/trial`), that cannot lead out of the folder of runs. */
const isTag = (tag: string): boolean =>
  tag.split(/[/\\]/).every((part) => !['', '.', '..'].includes(part.trim()));

/**
 * Where a tag's run lies: `<outputDir>/<tag>`.
 * @throws Fault for a tag that names no folder beneath `outputDir`: empty, absolute, with `.` or `..`
 */
export const runFolder = (tag: string, outputDir = 'outputs'): RunFolder => {
  if (!isTag(tag))
    throw new Fault(`tag: ${JSON.stringify(tag)}; give a name beneath ${outputDir}, such as unet-lut-1`);
  const folder = resolve(outputDir, tag);
  const checkpoints = join(folder, 'checkpoints');
  return {
    folder,
    tag,
    experiment: join(folder, 'experiment.json'),
    environment: join(folder, 'environment.json'),
    metrics: join(folder, 'metrics.jsonl'),
    system: join(folder, 'system.jsonl'),
    tiles: join(folder, 'tiles.jsonl'),
    result: join(folder, 'result.json'),
    checkpoints,
    best: join(checkpoints, 'best.safetensors'),
    last: join(checkpoints, 'last.safetensors'),
    epoch: (epoch) => join(checkpoints, `epoch-${String(epoch).padStart(4, '0')}.safetensors`),
  };
};
