import type { Command } from './command.js';
import { helpFor } from './help.js';

export const command: Command = {
  path: ['help'],
  words: '[COMMAND]',
  summary: 'list the commands, or the options of one with examples',
  examples: ['help', 'help runs', 'help runs compare'],
  run: async ({ words, commands, printPainted, json }) => {
    const help = await helpFor(words, commands);
    printPainted(help.trimEnd());
    json({ help });
  },
};
