import { parseArgs } from 'node:util';
import { didYouMean } from '../config/spelling.js';
import { Fault, reason } from '../fault.js';
import type { Command, CommandOption } from './command.js';
import { globalOptions } from './options.js';

/** `--boa-offset -1000` as `--boa-offset=-1000`: parseArgs takes a value that begins with a dash for an option. */
const joinNegative = (argv: string[], options: Record<string, CommandOption>): string[] => {
  const joined: string[] = [];
  for (const word of argv) {
    const before = joined.at(-1);
    const isValue =
      /^-\.?\d/.test(word) && before?.startsWith('--') && options[before.slice(2)]?.type === 'string';
    if (isValue) joined[joined.length - 1] = `${before}=${word}`;
    else joined.push(word);
  }
  return joined;
};

/**
 * The words and options of a call of `command`.
 * @throws Fault for an option that it does not have, and one without its value
 */
export const parseCall = (command: Command, argv: string[]) => {
  const options = { ...command.options, ...globalOptions };
  try {
    return parseArgs({ args: joinNegative(argv, options), options, allowPositionals: true, strict: true });
  } catch (error) {
    // node says "Unknown option '--x'. To specify a positional …"; the first sentence is what helps
    const text = reason(error).split('. ')[0];
    const [, option] = /^Unknown option '--([^']+)'/.exec(text) ?? [];
    const hint =
      option === undefined ? '' : didYouMean(option, Object.keys(options)).replace('mean ', 'mean --');
    throw new Fault(
      `call: ${text[0].toLowerCase()}${text.slice(1)}; ${hint}see \`bandalign ${command.path.join(' ')} --help\``,
    );
  }
};
