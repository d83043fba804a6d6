import { chosen } from '../config/spelling.js';
import { synthDefaults, synthesizeDataset } from '../dataset/synth/synth.js';
import { Fault } from '../fault.js';
import type { Command } from './command.js';
import { version } from './version.js';

const numberOf = (name: string, text: unknown): number | undefined => {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(String(text))) throw new Fault(`--${name}: ${String(text)}; a whole number`);
  return Number(text);
};

const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const command: Command = {
  path: ['dataset', 'synth'],
  words: 'DIR',
  summary: 'make the synthetic demo dataset, in the layout of the paper',
  examples: ['dataset synth dataset/demo', 'dataset synth small --tiles 20 --patches 2 --size 64 --seed 7'],
  options: {
    tiles: {
      type: 'string',
      value: 'N',
      help: `tiles, half of them for testing (default ${synthDefaults.tiles})`,
    },
    patches: { type: 'string', value: 'N', help: `patches of a tile (default ${synthDefaults.patches})` },
    size: {
      type: 'string',
      value: 'N',
      help: `edge of a patch, pixels of 16 m (default ${synthDefaults.size})`,
    },
    seed: {
      type: 'string',
      value: 'N',
      help: `the same seed makes the same files (default ${synthDefaults.seed})`,
    },
    haze: {
      type: 'string',
      value: 'F',
      help: "what the haze's spread is multiplied by, for counter-examples (default 1)",
    },
    ground: {
      type: 'string',
      value: 'mixed|single',
      help: 'mixed, or single: one land cover a region (default mixed)',
    },
    overwrite: { type: 'boolean', help: 'replace a synthetic dataset in DIR' },
  },
  run: async ({ words, options, print, json, progress, signal }) => {
    if (words.length !== 1) throw new Fault('dataset synth: one folder; `bandalign dataset synth DIR`');
    const given = Object.fromEntries(
      (['tiles', 'patches', 'size', 'seed'] as const).flatMap((name) => {
        const value = numberOf(name, options[name]);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    const ground = chosen('--ground', String(options['ground'] ?? 'mixed'), ['mixed', 'single']);
    const haze = options['haze'] === undefined ? 1 : Number(options['haze']);
    const summary = await synthesizeDataset(words[0], {
      ...given,
      haze,
      ...(ground === 'single' && { ground }),
      overwrite: options['overwrite'] === true,
      version: await version(),
      progress,
      signal,
    });
    const { lists, bytes, tiles, validShare, dir } = summary;
    print(
      `${dir}: synthetic, ${tiles} tiles, ${lists.train} train, ${lists.val} val and ${lists.test} test patches, ` +
        `${(100 * validShare).toFixed(1)} % valid, ${mega(bytes)}`,
    );
    json(summary);
  },
};
