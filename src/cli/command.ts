import type { ParseArgsConfig } from 'node:util';
import type { Table } from '../evaluation/table.js';
import type { OnProgress } from '../progress.js';

type OptionConfig = NonNullable<ParseArgsConfig['options']>[string];

/**
 * One option of a command: what `util.parseArgs` takes, and a line of help. `value` says what is given: words with `|`
 * between are all that there are; `FILE`, `DIR` and names with a dot in them are paths.
 */
export type CommandOption = OptionConfig & { help: string; value?: string };

/** How a table is written. */
export type TableFormat = 'text' | 'md' | 'csv' | 'tex';

/** What a command is called with: parsed words, options, and the ways to speak. */
export interface Call {
  words: string[];
  options: Record<string, string | boolean | (string | boolean)[] | undefined>;
  /** True under `--json`: `print` is then silent and `json` prints the one document. */
  asJson: boolean;
  /** Lines of human output on stdout. */
  print: (text: string) => void;
  /** The same for text that is painted for stdout and has nothing in it but what is printable. */
  printPainted: (text: string) => void;
  /** A table on stdout: aligned text on a terminal, Markdown elsewhere, or as asked. */
  table: (table: Table, format?: TableFormat) => void;
  /** The command's machine-readable result; printed under `--json`, ignored otherwise. */
  json: (value: unknown) => void;
  /** A line on stderr: notes and warnings, silent under `--quiet`. */
  note: (text: string) => void;
  progress: OnProgress;
  /** Every command, for those that tell of them. */
  commands: CommandTable;
  /** Aborted by the first Ctrl-C (or SIGTERM): the process ends within a second, by itself or not. */
  signal: AbortSignal;
}

/** A command of `bandalign`. `path` is what is typed: `['dataset', 'check']`. */
export interface Command {
  path: readonly string[];
  /** Words after the path, as shown in help: `DIR`, `[RUN…]`. */
  words?: string;
  summary: string;
  options?: Record<string, CommandOption>;
  /** Calls as they are typed, without `bandalign`; help shows them. */
  examples: readonly string[];
  run: (call: Call) => Promise<void>;
}

/** Commands by what is typed, loaded only when called. */
export type CommandTable = Readonly<Record<string, () => Promise<{ command: Command }>>>;

/** Commands for programs, not for people: help and completion leave them out. */
export const forPrograms: ReadonlySet<string> = new Set(['apply-listed', 'run-trial']);

/** The longest command path that words begin with; undefined where there is none. */
export const pathIn = (words: readonly string[], commands: CommandTable): string | undefined =>
  [2, 1].map((length) => words.slice(0, length).join(' ')).find((path) => Object.hasOwn(commands, path));
