import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault } from '../fault.js';
import type { CellFailure } from '../notebook/cell-failure.js';
import type { RunResult } from '../notebook/run-notebook.js';
import type { Command } from './command.js';

const seconds = (value: unknown, name: string): number | undefined => {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!(number > 0)) throw new Fault(`--${name}: ${String(value)}; give seconds above 0`);
  return number;
};

const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
};

/** `--out` of one notebook is a file, of several (or an existing folder) a folder; /dev/null swallows any number. */
const outPaths = async (
  inputs: readonly string[],
  out: string | undefined,
): Promise<(string | undefined)[]> => {
  if (out === undefined || out === '/dev/null') return inputs.map(() => out);
  if (inputs.length === 1 && !out.endsWith('/') && !(await isFolder(out))) return [out];
  if (out.endsWith('.ipynb')) throw new Fault(`--out: ${out}; with several notebooks, name a folder`);
  const names = inputs.map((input) => basename(input));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Fault(`notebooks: two are named ${twice}; run them one at a time`);
  return names.map((name) => join(out, name));
};

/** `cell 4 [3], line 2: TypeError: x is not a function`. */
const failureLine = ({ cell, executionCount, line, ename, evalue, parameter }: CellFailure): string =>
  [
    `cell ${cell}${executionCount === null ? '' : ` [${executionCount}]`}${line === undefined ? '' : `, line ${line}`}`,
    ...(parameter === undefined ? [ename] : [`parameter ${parameter}`]),
    evalue.split('\n')[0],
  ].join(': ');

export const command: Command = {
  path: ['notebook', 'run'],
  words: 'IN.ipynb…',
  summary: 'execute TypeScript notebooks, each in a fresh kernel, without Python',
  options: {
    out: {
      type: 'string',
      value: 'OUT.ipynb|DIR',
      help: 'executed copy, kept after each cell; none by default',
    },
    parameter: {
      type: 'string',
      short: 'p',
      multiple: true,
      value: 'name=value',
      help: 'set a variable of the cell tagged parameters (-p)',
    },
    jobs: { type: 'string', value: 'N', help: 'notebooks at once', default: '1' },
    'cell-timeout': { type: 'string', value: 'S', help: 'seconds that a cell may take' },
    timeout: { type: 'string', value: 'S', help: 'seconds that a notebook may take' },
  },
  run: async ({ words, options, print, json, note, progress, signal }) => {
    const { runNotebook } = await import('../notebook/run-notebook.js');
    const { parseAssignments } = await import('../notebook/parameters.js');
    if (words.length === 0) throw new Fault('notebook: none given; name one or more .ipynb files');
    const jobs = Number(options['jobs']);
    if (!Number.isInteger(jobs) || jobs < 1)
      throw new Fault(`--jobs: ${String(options['jobs'])}; give 1 or more`);
    const parameters = parseAssignments((options['parameter'] ?? []) as string[]);
    const cellTimeout = seconds(options['cell-timeout'], 'cell-timeout');
    const timeout = seconds(options['timeout'], 'timeout');
    const outs = await outPaths(words, options['out'] as string | undefined);

    const results: RunResult[] = [];
    const faults: string[] = [];
    let exitCode: 1 | 2 = 1;
    const begun = performance.now();
    const waiting = words.map((path, index) => ({ path, out: outs[index] }));
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
        const { path, out } = next;
        try {
          const result = await runNotebook(path, {
            ...{ out, parameters, cellTimeout, timeout, signal },
            onProgress: progress,
          });
          results.push(result);
          const took = `${result.seconds.toFixed(1)} s, ${result.cells} cells`;
          if (!result.failure) print(`${path}: ${took}${out === undefined ? '' : `, ${out}`}`);
          else {
            if (result.failure.parameter !== undefined) exitCode = 2;
            faults.push(
              `${path}: ${failureLine(result.failure)}${out === undefined || out === '/dev/null' ? '' : `; see ${out}`}`,
            );
          }
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          faults.push(...error.faults);
          if (error.exitCode === 2) exitCode = 2;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(jobs, words.length) }, work));
    const total = (performance.now() - begun) / 1000;
    if (words.length > 1) print(`${results.length} notebooks in ${total.toFixed(1)} s`);
    if (options['out'] === undefined && faults.length === 0)
      note('the outputs were not kept; --out keeps them');
    json({ notebooks: results, seconds: total });
    if (signal.aborted) throw signal.reason;
    if (faults.length > 0) throw new Fault(faults, exitCode);
  },
};
