import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

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

/** Below this share of its processors a machine is too busy with others for ratios: PyTorch's threads wait for each other. */
export const enoughFree = 0.9;

const spin =
  'const end = performance.now() + require("node:worker_threads").workerData; while (performance.now() < end);';

/**
 * Share of the processors' time that this process gets when it asks for all of it: 1 on a quiet machine, 0.5 where as many
 * threads of others want them.
 */
export const freeShare = async (milliseconds = 400) => {
  const count = availableParallelism();
  const before = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: count }, () => {
      const worker = new Worker(spin, { eval: true, workerData: milliseconds });
      return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    }),
  );
  const { user, system } = process.cpuUsage(before);
  return Math.min(1, (user + system) / 1000 / (count * (performance.now() - started)));
};

/** Watches over a measurement: `look` between its parts, `least` is the smallest share that was free. */
export const watchMachine = () => {
  let least = 1;
  return {
    look: async () => {
      // the peer's threads wait for more work on their processors before they sleep
      await setTimeout(1000);
      least = Math.min(least, await freeShare());
    },
    least: () => least,
  };
};
