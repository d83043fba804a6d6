import type { Experiment } from '../experiments/experiment.js';

const decay: Record<Experiment['train']['schedule'], (progress: number) => number> = {
  constant: () => 1,
  /** To 1 % at the end. */
  exponential: (progress) => 0.01 ** progress,
  /** Power 0.9, as the original's `poly`. */
  polynomial: (progress) => (1 - progress) ** 0.9,
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
};

/** Learning rate of step `step` (0-based) of `steps`: linear warm-up, then the schedule over what is left. */
export const learningRate = ({ train }: Experiment, step: number, steps: number): number => {
  if (step < train.warmup) return (train.lr * (step + 1)) / train.warmup;
  const progress = (step - train.warmup) / Math.max(1, steps - train.warmup);
  return train.lr * decay[train.schedule](Math.min(1, progress));
};
