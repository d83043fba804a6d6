import { override } from '../config/override.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { loadExperiment } from '../experiments/load.js';
import type { Command } from './command.js';
import { dataOptions, flag, oneWord, setOption, several, text } from './options.js';

export const command: Command = {
  path: ['dataset', 'pack'],
  words: 'DIR',
  summary: 'read every patch once: statistics and packed pixels for the runs to come',
  examples: [
    'dataset pack dataset/mine',
    'dataset pack dataset/mine --experiment demo/recommended --statistics-only',
  ],
  options: {
    divide: dataOptions['divide'],
    ...setOption,
    experiment: {
      type: 'string',
      value: 'NAME',
      help: 'take data and knots from an experiment (default: the defaults)',
    },
    'statistics-only': { type: 'boolean', help: 'no pixels: enough for every model without the conv module' },
  },
  run: async (call) => {
    const root = oneWord(call, 'dataset folder');
    const [name, words] = [text(call, 'experiment'), several(call, 'set')];
    const { data, model } = name
      ? await loadExperiment(name, words, call.note)
      : resolveExperiment(override({}, words));
    const [{ packCache }, { openDataset }] = await Promise.all([
      import('../dataset/cache.js'),
      import('../dataset/layout.js'),
    ]);
    const dataset = await openDataset(root, data, { divide: text(call, 'divide') });
    for (const note of dataset.notes) call.note(note);
    const cache = await packCache({
      dataset,
      data,
      knots: model.knots,
      pixels: !flag(call, 'statistics-only'),
      onProgress: call.progress,
      signal: call.signal,
    });
    const { ids, tiles, skipped, built } = cache;
    const rate = built && built.patches / built.seconds;
    for (const id of skipped) call.note(`skipped ${id}: no valid pixel`);
    call.print(
      [
        `${ids.length} patches of ${new Set(tiles).size} tiles`,
        ...(skipped.length > 0 ? [`${skipped.length} skipped: no valid pixel`] : []),
        built && rate
          ? `read in ${built.seconds.toFixed(1)} s, ${rate.toPrecision(3)} patches/s`
          : 'packed before, unchanged',
      ].join('; '),
    );
    call.print(`cache: ${cache.folder}`);
    call.json({
      patches: ids.length,
      tiles: new Set(tiles).size,
      skipped,
      digest: cache.digest,
      folder: cache.folder,
      built: built && { ...built, patchesPerSecond: rate },
    });
  },
};
