import type { Command, CommandOption } from './command.js';
import { commands, forPrograms } from './commands.js';

const column = (rows: [string, string][]): string => {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n');
};

const usage = (command: Command): string =>
  ['bandalign', ...command.path, command.words].filter(Boolean).join(' ');

const optionRow = ([name, option]: [string, CommandOption]): [string, string] => [
  `--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`,
  `${option.help}${option.default === undefined ? '' : ` (default ${String(option.default)})`}`,
];

/** Help of one command. */
export const commandHelp = (command: Command, globals: Record<string, CommandOption>): string =>
  `${command.summary}\n\nusage: ${usage(command)} [options]\n\n${column(
    Object.entries({ ...command.options, ...globals }).map(optionRow),
  )}\n`;

/** Help of the program: a line for each command. */
export const programHelp = async (): Promise<string> => {
  const shown = Object.keys(commands).filter((path) => !forPrograms.has(path));
  const loaded = await Promise.all(shown.map(async (path) => (await commands[path]()).command));
  return `bandalign: bandpass alignment from Sentinel-2 to Gaofen-1\n\n${column(
    loaded.map((command) => [[...command.path, command.words].filter(Boolean).join(' '), command.summary]),
  )}\n\n\`bandalign COMMAND --help\` tells a command's options\n`;
};
