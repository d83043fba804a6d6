import { didYouMean } from '../config/spelling.js';
import { loadDefinitions } from '../experiments/load.js';
import { listSettings, type Setting } from '../experiments/settings.js';
import { Fault, printable } from '../fault.js';
import type { Command } from './command.js';
import { modelOption, text } from './options.js';
import { type Paint, painter, widthOf, wrapped } from './terminal.js';

/** `train.*` and `epoch` as tests of a key: `*` stands for anything, and a part of a key will do. */
const matcher = (pattern: string): ((key: string) => boolean) => {
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const whole = new RegExp(pattern.includes('*') ? `^${escaped.join('.*')}$` : escaped[0], 'i');
  return (key) => whole.test(key);
};

/** `train.ema  number, at least 0, below 1 (default 0)`, and beneath what it means. */
const lines = ({ key, models, type, range, default: value, meaning }: Setting, paint: Paint): string => {
  const kind = range === '' || type === 'text' ? range || type : `${type}, ${range}`;
  const fallback = value === undefined ? '' : ` (default ${JSON.stringify(value)})`;
  const about = [meaning, models === null ? '' : `Models: ${models.join(', ')}.`].filter(Boolean).join(' ');
  return [
    `${paint('bold', printable(key))}  ${printable(kind + fallback)}`,
    ...wrapped(printable(about), widthOf(process.stdout) - 4).map((line) => `    ${line}`),
  ].join('\n');
};

export const command: Command = {
  path: ['settings'],
  words: '[PATTERN]',
  summary: 'list the settings that --set and experiment files take: type, range, default, meaning',
  examples: ['settings', 'settings epochs', "settings 'model.unet.*'", 'settings loss --json'],
  options: modelOption,
  run: async (call) => {
    const model = text(call, 'model');
    if (model !== undefined) await loadDefinitions(model);
    const all = listSettings();
    const tests = call.words.map(matcher);
    const found = all.filter(({ key }) => tests.length === 0 || tests.some((matches) => matches(key)));
    if (found.length === 0) {
      const [word] = call.words;
      const names = [...new Set(all.flatMap(({ key }) => [key, ...key.split('.')]))];
      throw new Fault(
        `settings: ${word}; ${didYouMean(word, names)}no such setting, \`bandalign settings\` lists all`,
      );
    }
    const paint = painter(process.stdout);
    call.printPainted(found.map((setting) => lines(setting, paint)).join('\n'));
    call.json(found);
  },
};
