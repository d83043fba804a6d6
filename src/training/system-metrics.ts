import { appendFile, readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { cutTornLine } from '../files.js';
import { readLines } from './result.js';

const mega = 1e6;

/** One sample of the machine: a line of `system.jsonl`. The names are MLflow's. */
export interface SystemRecord {
  /** Counted from 0. */
  step: number;
  time: string;
  cpu_utilization_percentage?: number;
  system_memory_usage_megabytes: number;
  system_memory_usage_percentage: number;
  /** Of the disk that holds the run. */
  disk_usage_megabytes?: number;
  disk_usage_percentage?: number;
  disk_available_megabytes?: number;
  /** Since the start of the process's work; absent where there is no /proc. */
  network_receive_megabytes?: number;
  network_transmit_megabytes?: number;
}

interface Ticks {
  busy: number;
  all: number;
}

const cpuTicks = (): Ticks =>
  cpus().reduce(
    (sum, { times }) => {
      const all = times.user + times.nice + times.sys + times.idle + times.irq;
      return { busy: sum.busy + all - times.idle, all: sum.all + all };
    },
    { busy: 0, all: 0 },
  );

/** Bytes received and sent through all network interfaces but loopback; undefined where there is no /proc. */
const traffic = async (): Promise<[number, number] | undefined> => {
  const text = await readFile('/proc/net/dev', 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const sum: [number, number] = [0, 0];
  for (const line of text.split('\n').slice(2)) {
    const [name, rest] = line.split(':');
    if (rest === undefined || name.trim() === 'lo') continue;
    const fields = rest.trim().split(/\s+/).map(Number);
    sum[0] += fields[0];
    sum[1] += fields[8];
  }
  return sum;
};

/** Memory that is really in use: Linux counts caches as used in `freemem`. */
const usedMemory = async (): Promise<number> => {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(text);
  return totalmem() - (available ? Number(available[1]) * 1024 : freemem());
};

/**
 * Samples this machine into `path`, a second after the start and then every `seconds`, until the returned function is
 * called. A sample takes about a millisecond. A disk that takes nothing is no fault of the run's.
 */
export const recordSystem = (path: string, seconds = 10): (() => void) => {
  let before = cpuTicks();
  const start = traffic();
  let step: number | undefined;
  const sample = async (): Promise<void> => {
    if (step === undefined) {
      // a process before this one may have been killed within a line
      await cutTornLine(path);
      step = (await readLines<SystemRecord>(path)).length;
    }
    const now = cpuTicks();
    const all = now.all - before.all;
    const used = await usedMemory();
    const record: SystemRecord = {
      step: step++,
      time: new Date().toISOString(),
      ...(all > 0 && { cpu_utilization_percentage: (100 * (now.busy - before.busy)) / all }),
      system_memory_usage_megabytes: used / mega,
      system_memory_usage_percentage: (100 * used) / totalmem(),
    };
    before = now;
    const disk = await statfs(dirname(path)).catch(() => undefined);
    if (disk) {
      const taken = (disk.blocks - disk.bfree) * disk.bsize;
      const free = disk.bavail * disk.bsize;
      record.disk_usage_megabytes = taken / mega;
      record.disk_usage_percentage = (100 * taken) / (taken + free);
      record.disk_available_megabytes = free / mega;
    }
    const [from, to] = [await start, await traffic()];
    if (from && to) {
      record.network_receive_megabytes = (to[0] - from[0]) / mega;
      record.network_transmit_megabytes = (to[1] - from[1]) / mega;
    }
    await appendFile(path, `${JSON.stringify(record)}\n`);
  };
  const take = (): void => void sample().catch(() => {});
  let timer = setTimeout(() => {
    take();
    timer = setInterval(take, seconds * 1000).unref();
  }, 1000).unref();
  // clears an interval as well
  return () => clearTimeout(timer);
};
