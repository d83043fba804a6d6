import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process that runs: its words in one line, and the folder that it works in, null where that cannot be seen. */
export interface Running {
  pid: number;
  words: string;
  folder: string | null;
}

const orNull = <T>(read: () => T): T | null => {
  try {
    return read();
  } catch {
    return null; // it has ended, or is another user's
  }
};

/** All processes that can be seen. On Linux without any program beside Node.js. */
export const runningProcesses = (): Running[] => {
  if (existsSync('/proc/self/cmdline'))
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        const words = orNull(() => readFileSync(`/proc/${name}/cmdline`, 'utf8'));
        if (!words) return [];
        const folder = orNull(() => readlinkSync(`/proc/${name}/cwd`));
        return [{ pid: Number(name), words: words.replaceAll('\0', ' ').trim(), folder }];
      });
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, ...words] = line.trim().split(/\s+/);
      return { pid: Number(pid), words: words.join(' '), folder: null };
    });
};
