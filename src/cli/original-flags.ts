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

const isTrue = (value: string): boolean => /^(true|1|yes)$/i.test(value);

/**
 * Rewrites a call in the original program's form (`--train=True --useTVLoss=True --tag=T`) into ours; any other
 * call comes back as it is. `--testModel=epochs_195.pth` with `--tag=T` is looked for among the checkpoints of T.
 */
export const translateOriginal = (path: string, argv: string[]): string[] => {
  if (path !== 'train' && path !== 'test') return argv;
  const pairs = argv.map((word) => /^--([A-Za-z]+)=(.*)$/s.exec(word));
  const isOriginal = pairs.some(
    (pair) =>
      pair && (pair[1] in settings || pair[1] in renamed || ['train', 'test', 'useTVLoss'].includes(pair[1])),
  );
  if (!isOriginal) return argv;
  const out: string[] = [];
  let tv = false;
  for (const [index, word] of argv.entries()) {
    const [, name = '', value = ''] = pairs[index] ?? [];
    if (name === 'train' || name === 'test') continue;
    if (name === 'useTVLoss') tv = isTrue(value);
    else if (name in settings) out.push('--set', `${settings[name]}=${value}`);
    else if (name in renamed) out.push(`--${renamed[name]}`, value);
    else out.push(word);
  }
  if (path === 'train') out.unshift(tv ? 'paper/unet-lut-conv-tv' : 'paper/unet-lut-conv');
  return out;
};
