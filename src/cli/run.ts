import { parseArgs } from 'node:util';
import { didYouMean } from '../config/spelling.js';
import { Fault, linesOf, printable, printableJson, printableLines, reason } from '../fault.js';
import { ignoreProgress } from '../progress.js';
import type { Call, Command, CommandOption } from './command.js';
import { commands } from './commands.js';
import { commandHelp, programHelp } from './help.js';
import { interruption } from './interruption.js';
import { translateOriginal } from './original-flags.js';
import { showProgress } from './show-progress.js';

const globalOptions: Record<string, CommandOption> = {
  json: { type: 'boolean', help: 'print one JSON document on stdout and nothing else there' },
  quiet: { type: 'boolean', help: 'no progress and no notes' },
  debug: { type: 'boolean', help: 'print the stack of an error' },
  help: { type: 'boolean', short: 'h', help: 'this help' },
};

/** Finds the longest command path that `argv` begins with. */
const find = (argv: string[]): string | undefined =>
  [2, 1].map((length) => argv.slice(0, length).join(' ')).find((path) => path in commands);

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

/** What to type instead: the commands of a group, or the one that is spelt like it. */
const unknownCommand = ([first, second]: string[]): Fault => {
  const paths = Object.keys(commands);
  const group = paths.filter((path) => path.startsWith(`${first} `));
  if (group.length > 0)
    return new Fault(`command: ${[first, second].filter(Boolean).join(' ')}; one of ${group.join(', ')}`);
  return new Fault(`command: ${first}; ${didYouMean(first, paths)}see \`bandalign --help\``);
};

const parse = (command: Command, argv: string[]) => {
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

const fail = (error: unknown, debug: boolean): never => {
  for (const line of linesOf(error)) process.stderr.write(`bandalign: ${line}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${printableLines(String(error.stack))}\n`);
  process.exit(error instanceof Fault ? error.exitCode : 1);
};

/** Writes all of `text` before returning: `process.exit` would cut what a pipe has not taken yet. */
const emit = (text: string): Promise<void> =>
  new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
  );

const main = async (): Promise<void> => {
  const argv = process.argv.slice(2);
  const debug = argv.includes('--debug');
  try {
    const path = find(argv);
    if (path === undefined) {
      if (argv.length === 0 || argv[0] === '--help' || argv[0] === '-h')
        return await emit(await programHelp());
      throw unknownCommand(argv);
    }
    const { command } = await commands[path]();
    const { values, positionals } = parse(command, translateOriginal(path, argv.slice(command.path.length)));
    if (values['help']) return await emit(commandHelp(command, globalOptions));
    const asJson = values['json'] === true;
    const quiet = values['quiet'] === true;
    const pending: Promise<void>[] = [];
    const call: Call = {
      words: positionals,
      options: values,
      asJson,
      print: (text) => void (asJson || pending.push(emit(`${printableLines(text)}\n`))),
      json: (value) => void (asJson && pending.push(emit(`${printableJson(value)}\n`))),
      note: (text) => void (quiet || process.stderr.write(`bandalign: ${printable(text)}\n`)),
      progress: quiet ? ignoreProgress : showProgress(process.stderr),
      signal: interruption(
        'resume' in (command.options ?? {}) ? '--resume continues' : 'nothing more is done',
      ),
    };
    await command.run(call);
    await Promise.all(pending);
    process.exit(process.exitCode ?? 0);
  } catch (error) {
    fail(error, debug);
  }
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
void main();
