import type { ParseArgsConfig } from 'node:util';
import type { OnProgress } from '../progress.js';

type OptionConfig = NonNullable<ParseArgsConfig['options']>[string];

/** One option of a command: what `util.parseArgs` takes, and a line of help. */
export type CommandOption = OptionConfig & { help: string; value?: string };

/** What a command is called with: parsed words, options, and the ways to speak. */
export interface Call {
  words: string[];
  options: Record<string, string | boolean | (string | boolean)[] | undefined>;
  /** True under `--json`: `print` is then silent and `json` prints the one document. */
  asJson: boolean;
  /** A line of human output on stdout. */
  print: (text: string) => void;
  /** The command's machine-readable result; printed under `--json`, ignored otherwise. */
  json: (value: unknown) => void;
  /** A line on stderr: notes and warnings, silent under `--quiet`. */
  note: (text: string) => void;
  progress: OnProgress;
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
  run: (call: Call) => Promise<void>;
}
