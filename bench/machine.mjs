import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';

/** What the numbers were measured on. */
export const describeMachine = () => {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    // beyond the benchmark's own two or so, others were at work and the numbers are worse than they could be
    loadAverage: loadavg()[0],
  };
};
