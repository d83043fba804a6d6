import { spawn } from 'node:child_process';
import { reason } from '../fault.js';
import { type BackendName, backendChoice, backendNames, chooseBackend } from '../training/backends.js';
import type { Call, Command } from './command.js';
import { text } from './options.js';

/** What the doctor says of one backend. */
interface Finding {
  name: BackendName;
  available: boolean;
  device: string | null;
  version: string | null;
  /** Why it is not available, or not of use; else null. */
  reason: string | null;
  msPerStep: { lut: number; conv: number | null } | null;
}

const absent = (name: BackendName, reason: string): Finding => ({
  name,
  available: false,
  device: null,
  version: null,
  reason,
  msPerStep: null,
});

const examine = async (name: BackendName, call: Call): Promise<Finding> => {
  const { timePublishedSteps } = await import('../training/time-steps.js');
  try {
    const { device, version, ...times } = await timePublishedSteps(name, 2, 512, call.signal);
    const round = (value: number): number => Number(value.toPrecision(3));
    return {
      name,
      available: true,
      device,
      version,
      reason: times.conv === null ? 'works, too slow for the step with the conv module to be timed' : null,
      msPerStep: { lut: round(times.lut), conv: times.conv && round(times.conv) },
    };
  } catch (error) {
    call.signal.throwIfAborted();
    return absent(name, reason(error).replace(`backend: ${name}; `, ''));
  }
};

/** Seconds after which a backend counts as hanging. */
const timeoutSeconds = 180;

/** Examines a backend in a process of its own: a native library may end the one that loads it. */
const examineApart = (name: BackendName, call: Call): Promise<Finding> =>
  new Promise((resolve, reject) => {
    const program = [...process.execArgv, process.argv[1], 'backends', '--only', name, '--json'];
    const child = spawn(process.execPath, program, {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: call.signal,
      timeout: timeoutSeconds * 1000,
      killSignal: 'SIGKILL',
    });
    let [out, errors] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part) => (out += part));
    child.stderr.setEncoding('utf8').on('data', (part) => (errors += part));
    child.on('error', reject);
    child.on('close', (code, killed) => {
      try {
        resolve((JSON.parse(out) as Finding[])[0]);
      } catch {
        const last = errors.trim().split('\n').at(-1);
        const end = child.killed
          ? `took more than ${timeoutSeconds} s`
          : `ended by ${killed ?? `exit code ${code}`}`;
        resolve(absent(name, `its process ${end}${last ? `: ${last}` : ''}`));
      }
    });
  });

const fastest = (findings: readonly Finding[], step: 'lut' | 'conv'): Finding =>
  findings
    .filter(({ msPerStep }) => msPerStep !== null)
    .reduce((best, other) =>
      (other.msPerStep![step] ?? Infinity) < (best.msPerStep![step] ?? Infinity) ? other : best,
    );

const lines = ({ name, available, device, version, reason, msPerStep }: Finding): string =>
  available
    ? [
        `${name.padEnd(11)} works: ${device}`,
        `${' '.repeat(12)}${version}`,
        `${' '.repeat(12)}a step takes ${msPerStep!.lut} ms (LUT), ${msPerStep!.conv === null ? 'too long to be timed' : `${msPerStep!.conv} ms`} (LUT and conv module)`,
      ].join('\n')
    : `${name.padEnd(11)} no: ${reason}`;

const advice = (findings: readonly Finding[]): string => {
  const [lut, conv] = [fastest(findings, 'lut'), fastest(findings, 'conv')];
  const faster = [...new Set([lut.name, conv.name])].filter((name) => name !== 'cpu');
  const auto = '--backend auto takes cpu';
  if (faster.length === 0) return `${auto}: the fastest here for both steps`;
  return `${auto}; measured faster here: ${lut.name} for the LUT, ${conv.name} with the conv module (--backend ${faster.join(' or ')})`;
};

export const command: Command = {
  path: ['backends'],
  summary: 'list compute backends: device, step times, and why one does not work',
  examples: ['backends', 'backends --only webgpu'],
  options: {
    only: { type: 'string', value: 'NAME', help: `one of ${backendNames.join(', ')}, in this process` },
  },
  run: async (call) => {
    const only = text(call, 'only');
    const findings: Finding[] = [];
    if (only !== undefined) {
      const choice = backendChoice(only, '--only');
      findings.push(await examine(chooseBackend(choice).name, call));
      call.print(lines(findings[0]));
    } else {
      for (const [done, name] of backendNames.entries()) {
        call.progress({ stage: 'backends', done, total: backendNames.length, unit: 'backends', note: name });
        findings.push(await examineApart(name, call));
        call.print(lines(findings[done]));
      }
      if (findings.some(({ available }) => available)) call.print(advice(findings));
    }
    call.json(findings);
  },
};
