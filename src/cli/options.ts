import { Fault } from '../fault.js';
import type { Destination } from '../tracking/send.js';
import type { Call, CommandOption } from './command.js';

/** Options that every command has. */
export const globalOptions: Record<string, CommandOption> = {
  json: { type: 'boolean', help: 'print one JSON document on stdout and nothing else there; a fault too' },
  quiet: { type: 'boolean', help: 'no progress and no notes' },
  debug: { type: 'boolean', help: 'print the stack of an error' },
  help: { type: 'boolean', short: 'h', help: 'this help' },
};

/** Options that several commands share. */
export const dataOptions: Record<string, CommandOption> = {
  data: { type: 'string', value: 'DIR', help: 'dataset folder in the layout of the paper' },
  divide: {
    type: 'string',
    value: 'DIR',
    help: 'folder of train.txt, val.txt, test.txt (default DATA/divide)',
  },
};

export const setOption: Record<string, CommandOption> = {
  set: {
    type: 'string',
    multiple: true,
    value: 'KEY=VALUE',
    help: 'override a setting, such as train.epochs=5; repeatable',
  },
};

export const backendOption: Record<string, CommandOption> = {
  backend: {
    type: 'string',
    value: 'auto|cpu|wasm|webgpu|tensorflow',
    help: 'what computes; the same as --set backend=NAME',
  },
};

/** Words of `--set`, and `--backend` as one of them. */
export const settings = (call: Call): string[] => {
  const backend = text(call, 'backend');
  return [...several(call, 'set'), ...(backend === undefined ? [] : [`backend=${backend}`])];
};

export const modelOption: Record<string, CommandOption> = {
  model: {
    type: 'string',
    value: 'FILE',
    help: "the file that defines the model, for one that is not bandalign's: it is run",
  },
};

export const outputOption: Record<string, CommandOption> = {
  'output-dir': { type: 'string', value: 'DIR', default: 'outputs', help: 'folder of runs' },
};

/** A text option, or undefined. */
export const text = ({ options }: Call, name: string): string | undefined => {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
};

/** A text option that must be there. */
export const required = (call: Call, name: string): string => {
  const value = text(call, name);
  if (value === undefined || value === '')
    throw new Fault(`--${name}: missing; give --${name} ${name.toUpperCase()}`);
  return value;
};

/** Every value of a repeatable option. */
export const several = ({ options }: Call, name: string): string[] =>
  ((options[name] ?? []) as (string | boolean)[]).map(String);

/** A flag. */
export const flag = ({ options }: Call, name: string): boolean => options[name] === true;

/** A whole number of at least `least`, or undefined. */
export const whole = (call: Call, name: string, least = 0): number | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < least)
    throw new Fault(`--${name}: ${value}; a whole number of at least ${least}`);
  return number;
};

/** The one word of a command. */
export const oneWord = ({ words }: Call, what: string): string => {
  if (words.length !== 1)
    throw new Fault(`call: ${words.length === 0 ? 'nothing' : words.join(' ')}; give one ${what}`);
  return words[0];
};

export const trackOption: Record<string, CommandOption> = {
  'no-track': { type: 'boolean', help: 'send nothing to the server that MLFLOW_TRACKING_URI names' },
};

/** The server that runs are sent to as they grow: as the environment says, none under `--no-track`. */
export const destinationOf = async (call: Call): Promise<Destination | null> =>
  flag(call, 'no-track') ? null : (await import('../tracking/send.js')).trackingDestination(call.note);
