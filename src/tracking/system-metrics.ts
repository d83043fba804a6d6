import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';

const mega = 1e6;

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

interface Traffic {
  receive: number;
  transmit: number;
}

/** Bytes through all network interfaces but loopback; undefined where there is no /proc. */
const traffic = async (): Promise<Traffic | undefined> => {
  const text = await readFile('/proc/net/dev', 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const sum: Traffic = { receive: 0, transmit: 0 };
  for (const line of text.split('\n').slice(2)) {
    const [name, rest] = line.split(':');
    if (rest === undefined || name.trim() === 'lo') continue;
    const fields = rest.trim().split(/\s+/).map(Number);
    sum.receive += fields[0];
    sum.transmit += fields[8];
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
 * Samples this machine every `seconds` under MLflow's names (`system/cpu_utilization_percentage` …; network counts from
 * the start of the run, disk is the one that holds `folder`) until the returned function is called. Steps count from
 * `firstStep`. The timer does not keep the process alive.
 */
export const sampleSystem = (
  seconds: number,
  firstStep: number,
  folder: string,
  log: (step: number, values: Record<string, number>) => void,
): (() => void) => {
  let step = firstStep;
  let before = cpuTicks();
  let stopped = false;
  const start = traffic();
  const sample = async (): Promise<void> => {
    const now = cpuTicks();
    const all = now.all - before.all;
    const values: Record<string, number> = {};
    if (all > 0) values['cpu_utilization_percentage'] = (100 * (now.busy - before.busy)) / all;
    before = now;
    const used = await usedMemory();
    values['system_memory_usage_megabytes'] = used / mega;
    values['system_memory_usage_percentage'] = (100 * used) / totalmem();
    const disk = await statfs(folder).catch(() => undefined);
    if (disk) {
      const taken = (disk.blocks - disk.bfree) * disk.bsize;
      const free = disk.bavail * disk.bsize;
      values['disk_usage_megabytes'] = taken / mega;
      values['disk_usage_percentage'] = (100 * taken) / (taken + free);
      values['disk_available_megabytes'] = free / mega;
    }
    const [from, to] = [await start, await traffic()];
    if (from && to) {
      values['network_receive_megabytes'] = (to.receive - from.receive) / mega;
      values['network_transmit_megabytes'] = (to.transmit - from.transmit) / mega;
    }
    if (stopped) return;
    log(step++, Object.fromEntries(Object.entries(values).map(([name, value]) => [`system/${name}`, value])));
  };
  const timer = setInterval(() => void sample().catch(() => {}), seconds * 1000);
  timer.unref();
  return () => {
    stopped = true;
    clearInterval(timer);
  };
};
