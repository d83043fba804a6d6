import { describe, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { learningRate } from '../../src/training/schedule.js';

type Name = 'constant' | 'exponential' | 'polynomial' | 'cosine';

const rates = (schedule: Name, steps: number, warmup = 0): number[] => {
  const experiment = resolveExperiment({ train: { lr: 0.01, schedule, warmup } });
  return Array.from({ length: steps }, (_, step) => learningRate(experiment, step, steps));
};

describe('learning rates', () => {
  // the formulas as they are usually written, for a base rate of 0.01 over 8 steps
  test.each<[Name, (step: number) => number]>([
    ['constant', () => 0.01],
    ['exponential', (step) => 0.01 * Math.exp((step / 8) * Math.log(0.01))],
    ['polynomial', (step) => 0.01 * (1 - step / 8) ** 0.9],
    ['cosine', (step) => 0.01 * 0.5 * (1 + Math.cos((Math.PI * step) / 8))],
  ])('%s', (schedule, formula) => {
    for (const [step, rate] of rates(schedule, 8).entries()) expect(rate).toBeCloseTo(formula(step), 15);
  });

  test('warm-up rises in equal steps to the full rate, and the schedule takes what is left', () => {
    const warm = rates('cosine', 10, 4);
    for (const [step, rate] of [0.0025, 0.005, 0.0075, 0.01].entries())
      expect(warm[step]).toBeCloseTo(rate, 15);
    for (const [step, rate] of rates('cosine', 6).entries()) expect(warm[4 + step]).toBeCloseTo(rate, 15);
  });

  test('they never rise after the warm-up, nor leave (0, lr]', () => {
    for (const schedule of ['constant', 'exponential', 'polynomial', 'cosine'] as const)
      for (const warmup of [0, 3, 50]) {
        const all = rates(schedule, 40, warmup);
        for (const [step, rate] of all.entries()) {
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(0.01);
          if (step > warmup) expect(rate).toBeLessThanOrEqual(all[step - 1]);
        }
      }
  });
});
