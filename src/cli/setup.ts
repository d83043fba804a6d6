import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chosen } from '../config/spelling.js';
import { Fault } from '../fault.js';
import type { Command } from './command.js';
import { flag, oneWord, text } from './options.js';

const parts = ['notebooks', 'tensorflow', 'webgpu'] as const;

export const command: Command = {
  path: ['setup'],
  words: parts.join('|'),
  summary: 'install what only some need: notebooks (tslab), TensorFlow with or without CUDA, WebGPU',
  options: {
    dir: { type: 'string', value: 'DIR', help: "where it goes (default: a folder in the package's own)" },
    gpu: { type: 'boolean', help: 'of tensorflow: with CUDA 12 (default where nvidia-smi works)' },
    cpu: { type: 'boolean', help: 'of tensorflow: without' },
    tensorflow: { type: 'string', value: 'X.Y.Z', help: 'of tensorflow: another version' },
    python: {
      type: 'string',
      value: 'COMMAND',
      help: 'of tensorflow: a Python with pip, for the download alone',
    },
  },
  examples: ['setup notebooks', 'setup webgpu', 'setup tensorflow --gpu'],
  run: async (call) => {
    const part = chosen('part', oneWord(call, `part: ${parts.join(', ')}`), parts);
    const words = Object.keys(command.options!).flatMap((name) => {
      const value = text(call, name);
      return flag(call, name) ? [`--${name}`] : value === undefined ? [] : [`--${name}=${value}`];
    });
    if (part !== 'tensorflow' && words.some((word) => !word.startsWith('--dir')))
      throw new Fault(`setup ${part}: ${words.join(' ')}; it takes --dir alone`);
    const script = fileURLToPath(new URL(`../../setup/${part}.mjs`, import.meta.url));
    const child = spawn(process.execPath, [script, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    call.signal.addEventListener('abort', () => child.kill(), { once: true });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    call.signal.throwIfAborted();
    if (code !== 0) throw new Fault(`setup ${part}: not installed; what stands above says why`, 1);
    call.json({ part, installed: true });
  },
};
