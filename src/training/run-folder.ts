import { join, resolve } from 'node:path';

/** The files of one run (design: runs). A run without a valid `result.json` is not finished. */
export interface RunFolder {
  folder: string;
  tag: string;
  /** The resolved configuration. */
  experiment: string;
  environment: string;
  /** A line per epoch. */
  metrics: string;
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

/** Where a tag's run lies: `<outputDir>/<tag>`. */
export const runFolder = (tag: string, outputDir = 'outputs'): RunFolder => {
  const folder = resolve(outputDir, tag);
  const checkpoints = join(folder, 'checkpoints');
  return {
    folder,
    tag,
    experiment: join(folder, 'experiment.json'),
    environment: join(folder, 'environment.json'),
    metrics: join(folder, 'metrics.jsonl'),
    tiles: join(folder, 'tiles.jsonl'),
    result: join(folder, 'result.json'),
    checkpoints,
    best: join(checkpoints, 'best.safetensors'),
    last: join(checkpoints, 'last.safetensors'),
    epoch: (epoch) => join(checkpoints, `epoch-${String(epoch).padStart(4, '0')}.safetensors`),
  };
};
