import { join } from 'node:path';
import { Fault } from '../fault.js';
import type { Command } from './command.js';

export const command: Command = {
  path: ['kernel', 'install'],
  summary: 'register the TypeScript kernel with Jupyter and VS Code',
  examples: ['kernel install', 'kernel install --prefix .venv'],
  options: {
    user: { type: 'boolean', help: "into the user's own folder (the default)" },
    prefix: { type: 'string', value: 'DIR', help: 'into a Python environment: DIR/share/jupyter/kernels' },
  },
  run: async ({ words, options, print, json }) => {
    if (words.length > 0) throw new Fault(`call: ${words[0]}; kernel install takes options only`);
    if (options['user'] === true && options['prefix'] !== undefined)
      throw new Fault('call: --user and --prefix; give one of them');
    const { installKernel, jupyterPath } = await import('../notebook/kernelspec.js');
    const folder = await installKernel(options['prefix'] as string | undefined);
    print(`${folder}: TypeScript (bandalign) is registered`);
    print(`with papermill: pip install ${join(jupyterPath, 'papermill')}`);
    json({ kernelspec: folder });
  },
};
