import { didYouMean, notOneOf } from '../config/spelling.js';
import { Fault } from '../fault.js';
import { type Command, type CommandOption, type CommandTable, forPrograms, pathIn } from './command.js';
import { globalOptions } from './options.js';
import { type Paint, painter, widthOf, wrapped } from './terminal.js';

type Row = readonly [left: string, right: string];

/** Two columns: what is typed, and what it means, broken into lines. */
const columns = (rows: readonly Row[], width: number): string => {
  const indent = Math.min(34, Math.max(...rows.map(([left]) => left.length)) + 4);
  return rows
    .flatMap(([left, right]) => {
      const lines = wrapped(right, Math.max(30, width - indent));
      const head = `  ${left}`;
      const first = head.length + 2 > indent ? head : head.padEnd(indent) + lines.shift();
      return [first, ...lines.map((line) => ' '.repeat(indent) + line)];
    })
    .join('\n');
};

const typed = (command: Command): string => [...command.path, command.words].filter(Boolean).join(' ');

const optionRow = ([name, option]: [string, CommandOption]): Row => [
  `--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`,
  `${option.help}${option.default === undefined ? '' : ` (default ${String(option.default)})`}`,
];

/** Help of one command. */
const commandHelp = (command: Command, width: number, paint: Paint): string => {
  const options = Object.entries({ ...command.options, ...globalOptions });
  const examples = command.examples.map((example) => `  bandalign ${example}`).join('\n');
  return `${[
    wrapped(command.summary, width).join('\n'),
    `${paint('bold', 'usage:')} bandalign ${typed(command)} [options]`,
    columns(options.map(optionRow), width),
    ...(examples === '' ? [] : [`${paint('bold', 'examples:')}\n${examples}`]),
  ].join('\n\n')}\n`;
};

const peopleCommands = (commands: CommandTable, group = ''): string[] =>
  Object.keys(commands).filter(
    (path) => !forPrograms.has(path) && (group === '' || path.split(' ')[0] === group),
  );

/** Help of the program, or of a group such as `runs`: a line for each command. */
const programHelp = async (
  commands: CommandTable,
  group: string,
  width: number,
  paint: Paint,
): Promise<string> => {
  const loaded = await Promise.all(
    peopleCommands(commands, group).map(async (path) => (await commands[path]()).command),
  );
  return [
    `${paint('bold', 'bandalign')}: bandpass alignment from Sentinel-2 to Gaofen-1`,
    columns(
      loaded.map((command) => [typed(command), command.summary]),
      width,
    ),
    "`bandalign help COMMAND` tells a command's options, with examples\n",
  ].join('\n\n');
};

/** What to type instead of words that are no command: one of a group, or the one that is spelt like it. */
export const unknownCommand = ([first, second]: readonly string[], commands: CommandTable): Fault => {
  const isGroup = peopleCommands(commands, first).some((path) => path !== first);
  return new Fault(
    isGroup
      ? notOneOf('command', [first, second].filter(Boolean).join(' '), peopleCommands(commands, first))
      : `command: ${first}; ${didYouMean(first, peopleCommands(commands))}see \`bandalign --help\``,
  );
};

/**
 * The help that words ask for: of a command, of a group of them, or of the program, as wide as stdout and with its colours.
 * @throws Fault for words that are no command
 */
export const helpFor = async (words: readonly string[], commands: CommandTable): Promise<string> => {
  const [width, paint] = [widthOf(process.stdout), painter(process.stdout)];
  const path = pathIn(words, commands);
  const [group = ''] = words;
  if (path !== undefined && words.length <= path.split(' ').length) {
    const help = commandHelp((await commands[path]()).command, width, paint);
    const others = peopleCommands(commands, path).filter((name) => name !== path);
    return others.length === 0 ? help : `${help}\n${paint('bold', 'see also:')} ${others.join(', ')}\n`;
  }
  if (group !== '' && (words.length > 1 || !peopleCommands(commands, group).some((name) => name !== group)))
    throw unknownCommand(words, commands);
  return programHelp(commands, group, width, paint);
};
