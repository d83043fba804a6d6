import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

/**
 * Processors' worth of time that a control group grants, from the text of its files; Infinity without a limit.
 *
 * @param unified `cpu.max`, version 2: quota (or `max`) and period, µs
 * @param quota `cpu.cfs_quota_us`, version 1: −1 without a limit
 * @param period `cpu.cfs_period_us`, version 1
 */
export const quotaOf = (unified: string | null, quota: string | null, period: string | null): number => {
  const [most, per] = unified === null ? [quota, period] : unified.trim().split(/\s+/);
  const share = Number(most) / Number(per);
  return share > 0 ? share : Number.POSITIVE_INFINITY;
};

/** Threads of one task beyond this many gain little. */
export const mostThreads = 16;

let known: number | undefined;

/**
 * Processors that this process may use at once: those it may run on, and no more than its container's share of time
 * pays for (Linux control groups, which Node's own count knows of from 22.10 on only). Counted once: kernels ask at every
 * step.
 */
export const processors = (): number => {
  const group = '/sys/fs/cgroup';
  known ??= Math.max(
    1,
    Math.min(
      availableParallelism(),
      Math.ceil(
        quotaOf(
          read(`${group}/cpu.max`),
          read(`${group}/cpu/cpu.cfs_quota_us`),
          read(`${group}/cpu/cpu.cfs_period_us`),
        ),
      ),
    ),
  );
  return known;
};
