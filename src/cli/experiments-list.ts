import { listExperiments } from '../experiments/list.js';
import type { Command } from './command.js';
import { oneWord } from './options.js';

export const command: Command = {
  path: ['experiments', 'list'],
  words: '[DIR]',
  summary: 'list experiments and sweeps, the packaged ones and those of a folder, with what each is',
  examples: ['experiments list', 'experiments list ./mine --json'],
  run: async (call) => {
    const folder = call.words.length === 0 ? '.' : oneWord(call, 'folder');
    const listed = await listExperiments(folder);
    call.table(
      {
        caption: '',
        columns: [{ label: 'name' }, { label: 'kind' }, { label: 'about' }],
        rows: listed.map(({ name, kind, about }) => ({ cells: [name, kind, about] })),
      },
      'text',
    );
    call.json(listed);
  },
};
