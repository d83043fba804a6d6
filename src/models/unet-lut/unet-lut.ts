import { initialise, initialRunning, type Layout, type UnetSpec, unetLayout } from '../../engine/layout.js';
import { makeModel, type NamedValues } from '../model.js';
import { type PaperSettings, paperSettings } from '../paper-settings.js';
import { globalLuts } from '../smooth-lut.js';
import { lutHead, unet } from './definition.js';

const specOf = (bands: number, { unet }: PaperSettings, knots: number): UnetSpec => ({
  bands,
  knots,
  width: unet.width,
  depth: unet.depth,
  norm: unet.norm,
  groups: unet.groups,
});

const named = (slots: Layout['parameters'], values: Float32Array): NamedValues =>
  Object.fromEntries(
    slots.map(({ name, shape, offset, size }) => [
      name,
      { shape, values: values.subarray(offset, offset + size) },
    ]),
  );

/** Name of the LUT that `output: 'correction'` corrects. */
const baseName = 'base.lut';

/**
 * The paper's model: a 1-D UNet makes a LUT for each band of a tile from the tile's histograms. definition.ts says what
 * it computes; the engine computes it fast.
 */
export const unetLut = makeModel({
  kind: 'unet-lut',
  settings: paperSettings,
  check: ({ settings: { knots, unet }, data }) => {
    const faults = [];
    if (knots !== data.bins)
      faults.push({ path: ['knots'], value: knots, allowed: `data.bins (${data.bins}) for a unet-lut` });
    if (knots >> unet.depth < 1)
      faults.push({
        path: ['unet', 'depth'],
        value: unet.depth,
        allowed: `at most ${Math.floor(Math.log2(knots))}`,
      });
    if (unet.norm === 'group' && unet.width % unet.groups !== 0)
      faults.push({
        path: ['unet', 'groups'],
        value: unet.groups,
        allowed: `a divisor of model.unet.width (${unet.width})`,
      });
    return faults;
  },
  network: {
    init: ({ settings, data, random }) => {
      const layout = unetLayout(specOf(data.bands.length, settings, settings.knots));
      const zeroLast = settings.unet.output === 'correction';
      return named(layout.parameters, initialise(layout, random.next, { zeroLast }));
    },
    initRunning: ({ settings, data }) => {
      const layout = unetLayout(specOf(data.bands.length, settings, settings.knots));
      return named(layout.running, initialRunning(layout));
    },
    constants: {
      shapes: ({ settings, data }): Record<string, readonly number[]> =>
        settings.unet.output === 'correction' ? { [baseName]: [data.bands.length, settings.knots] } : {},
      values: (input): Record<string, Float32Array> =>
        input.settings.unet.output === 'absolute' ? {} : { [baseName]: globalLuts(input).values },
    },
    checkBatch: ({ settings: { knots, unet } }, { smallest, patches, batchSize }) =>
      unet.norm === 'batch' && smallest * (knots >> unet.depth) < 2
        ? `model.unet.depth: ${unet.depth}; ${knots} knots halved so often leave one value per channel in a batch of ${smallest} (${patches} patches by train.batchSize=${batchSize}), too few for batch norm: set fewer levels or another batch size`
        : null,
    forward: ({ tf, weights, running, constants, histogram, settings, data, norm }) => {
      const x = settings.unet.input === 'share' ? histogram : tf.mul(tf.sqrt(histogram), 4);
      const spec = specOf(data.bands.length, settings, settings.knots);
      const result = unet(tf, weights, running, x as typeof histogram, spec, norm);
      return {
        lut: lutHead(tf, result.out, constants[baseName] ?? null, settings.unet.scale),
        running: result.running,
      };
    },
    engine: ({ settings, data }) => ({
      spec: specOf(data.bands.length, settings, settings.knots),
      input: settings.unet.input,
      scale: settings.unet.scale,
      base: settings.unet.output === 'correction' ? baseName : null,
    }),
  },
});
