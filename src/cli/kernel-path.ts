import type { Command } from './command.js';

export const command: Command = {
  path: ['kernel', 'path'],
  summary: 'print a folder that serves as JUPYTER_PATH',
  examples: ['kernel path'],
  run: async ({ print, json }) => {
    const { jupyterPath } = await import('../notebook/kernelspec.js');
    print(jupyterPath);
    json({ jupyterPath });
  },
};
