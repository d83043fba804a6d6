import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { opForms } from '../dist/ops/form.js';
import { startTensorflow } from '../dist/ops/tensorflow.js';

/** What the numbers were measured on. */
export const describeMachine = async () => {
  await startTensorflow('cpu');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    // beyond the benchmark's own two or so, others were at work and the numbers are worse than they could be
    loadAverage: loadavg()[0],
    ops: Object.fromEntries(Object.entries(opForms()).map(([op, { form }]) => [op, form])),
  };
};
