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

/** Seconds that a cell may take where no terminal is there to interrupt it: longer than any that is meant. */
const unwatchedTimeout = 3600;

const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
};

/** Ending of a copy that is written beside its notebook. */
const executed = '.executed.ipynb';

const plainName = (path: string): string => path.replace(/\.(ipynb|qmd|[cm]?ts)$/, '');

/**
 * Where each executed copy goes: beside its notebook without `--out`, which is a file for one notebook, for several (or
 * where it exists as one) a folder; /dev/null swallows any number.
 */
const outPaths = async (inputs: readonly string[], out: string | undefined): Promise<string[]> => {
  if (out === undefined)
    return inputs.map((path) => `${plainName(path)}${path.endsWith('.ipynb') ? executed : '.ipynb'}`);
  if (out === '/dev/null') return inputs.map(() => out);
  if (inputs.length === 1 && !out.endsWith('/') && !(await isFolder(out))) return [out];
  if (out.endsWith('.ipynb')) throw new Fault(`--out: ${out}; with several notebooks, name a folder`);
  const names = inputs.map((input) => `${plainName(basename(input))}.ipynb`);
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
  summary:
    'execute TypeScript notebooks (.ipynb, percent .ts, Quarto .qmd), each in a fresh kernel, without Python',
  examples: [
    'notebook run notebooks/01-quickstart.ipynb --out /dev/null',
    'notebook run notebooks/*.ipynb --jobs 2 -p epochs=5',
  ],
  options: {
    out: {
      type: 'string',
      value: 'OUT.ipynb|DIR',
      help: 'executed copy, kept after each cell; beside the notebook by default (IN.executed.ipynb), /dev/null keeps none',
    },
    parameter: {
      type: 'string',
      short: 'p',
      multiple: true,
      value: 'name=value',
      help: 'set a variable of the cell tagged parameters (-p)',
    },
    jobs: { type: 'string', value: 'N', help: 'notebooks at once', default: '1' },
    'list-parameters': { type: 'boolean', help: 'print the variables that -p sets, and run nothing' },
    'cell-timeout': {
      type: 'string',
      value: 'S',
      help: 'seconds that a cell may take, 0: any; without a terminal 3600 by default',
    },
    timeout: { type: 'string', value: 'S', help: 'seconds that a notebook may take' },
  },
  run: async ({ words: named, options, print, json, note, progress, signal }) => {
    // a shell's *.ipynb names the copies of an earlier run too
    const words = named.filter(
      (path) => !path.endsWith(executed) || !named.includes(path.replace(executed, '.ipynb')),
    );
    if (words.length < named.length)
      note(`${named.length - words.length} executed copies of these notebooks are left out`);
    const { runNotebook } = await import('../notebook/run-notebook.js');
    const { parseAssignments } = await import('../notebook/parameters.js');
    if (words.length === 0) throw new Fault('notebook: none given; name one or more .ipynb files');
    if (options['list-parameters'] === true) {
      const { listParameters } = await import('../notebook/parameters.js');
      const { readNotebook } = await import('../notebook/read-notebook.js');
      const listed = [];
      for (const notebook of words) {
        const parameters = listParameters(await readNotebook(notebook));
        listed.push({ notebook, parameters });
        if (words.length > 1 || parameters.length === 0)
          print(`${notebook}:${parameters.length === 0 ? ' no code cell is tagged parameters' : ''}`);
        for (const { name, type, initial, help } of parameters)
          print(
            `${name}${type === undefined ? '' : `: ${type}`}${initial === undefined ? '' : ` = ${initial}`}${help === undefined ? '' : `  (${help})`}`,
          );
      }
      return json({ notebooks: listed });
    }
    const jobs = Number(options['jobs']);
    if (!Number.isInteger(jobs) || jobs < 1)
      throw new Fault(`--jobs: ${String(options['jobs'])}; give 1 or more`);
    const parameters = parseAssignments((options['parameter'] ?? []) as string[]);
    const given = options['cell-timeout'];
    const watched = process.stdout.isTTY === true || process.stderr.isTTY === true;
    const cellTimeout =
      given === undefined
        ? watched
          ? undefined
          : unwatchedTimeout
        : given === '0'
          ? undefined
          : seconds(given, 'cell-timeout');
    const cellTimeoutNote =
      given === undefined ? ' (the default without a terminal; --cell-timeout sets another, 0 none)' : '';
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
            ...{ out, parameters, cellTimeout, cellTimeoutNote, timeout, signal },
            onProgress: progress,
          });
          results.push(result);
          const took = `${result.seconds.toFixed(1)} s, ${result.cells} cells`;
          if (!result.failure) print(`${path}: ${took}, ${out}`);
          else {
            if (result.failure.parameter !== undefined) exitCode = 2;
            faults.push(
              `${path}: ${failureLine(result.failure)}${out === '/dev/null' ? '' : `; see ${out}`}`,
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
    json({ notebooks: results, seconds: total });
    if (signal.aborted) throw signal.reason;
    if (faults.length > 0) throw new Fault(faults, exitCode);
  },
};
