import { Fault } from '../fault.js';

/** The original program's flags and the `--set` keys or options they stand for (its config.py). */
const settings: Record<string, string> = {
  batchSize: 'train.batchSize',
  maxEpoch: 'train.epochs',
  lrMax: 'train.lr',
  lrMode: 'train.schedule',
  weightDecay: 'train.weightDecay',
  valStep: 'train.validateEvery',
  saveFreq: 'train.checkpointEvery',
  lambdaSmooth: 'loss.tv',
  lambdaMonotonicity: 'loss.monotonicity',
  seed: 'seed',
};
const renamed: Record<string, string> = { dataRoot: 'data', outputDir: 'output-dir', testModel: 'weights' };

/** The original's names of schedules. */
const schedules: Record<string, string> = { poly: 'polynomial', exp: 'exponential', cos: 'cosine' };

const isTrue = (value: string): boolean => {
  if (/^(true|1|yes)$/i.test(value)) return true;
  if (/^(false|0|no)$/i.test(value)) return false;
  throw new Fault(`--useTVLoss: ${value}; True or False`);
};

const isOriginalFlag = (name: string): boolean =>
  name in settings || name in renamed || ['train', 'test', 'useTVLoss'].includes(name);

const pairOf = (word: string): [name: string, value: string] | null => {
  const [, name, value] = /^--([A-Za-z]+)=(.*)$/s.exec(word) ?? [];
  return name !== undefined && isOriginalFlag(name) ? [name, value] : null;
};

/** `--dataRoot DIR` as `--dataRoot=DIR`: the original takes either. */
const joinValues = (words: readonly string[]): string[] => {
  const joined: string[] = [];
  for (const word of words) {
    const before = joined.at(-1);
    if (before?.startsWith('--') && isOriginalFlag(before.slice(2)) && !word.startsWith('--'))
      joined[joined.length - 1] = `${before}=${word}`;
    else joined.push(word);
  }
  return joined;
};

/**
 * Rewrites a call in the original program's form (`--train=True --useTVLoss=True --tag=T`) into ours; any other
 * call comes back as it is. `--testModel=epochs_195.pth` with `--tag=T` is looked for among the checkpoints of T. Without
 * `--useTVLoss=True` the weights of both regularisers count for nothing, as there.
 *
 * @throws Fault for a `--useTVLoss` that is neither true nor false
 */
export const translateOriginal = (path: string, words: string[]): string[] => {
  if (path !== 'train' && path !== 'test') return words;
  const argv = joinValues(words);
  if (!argv.some((word) => pairOf(word))) return words;
  const out: string[] = [];
  const tv = argv.map(pairOf).some((pair) => pair?.[0] === 'useTVLoss' && isTrue(pair[1]));
  for (const word of argv) {
    const [name, value] = pairOf(word) ?? [];
    if (name === undefined || value === undefined) out.push(word);
    else if (name in renamed) out.push(`--${renamed[name]}`, value);
    else if (name === 'lrMode') out.push('--set', `${settings[name]}=${schedules[value] ?? value}`);
    else if (name in settings && (tv || !name.startsWith('lambda')))
      out.push('--set', `${settings[name]}=${value}`);
  }
  const isNamed = argv.length > 0 && !argv[0].startsWith('-');
  if (path === 'train' && !isNamed) out.unshift(tv ? 'paper/unet-lut-conv-tv' : 'paper/unet-lut-conv');
  return out;
};
