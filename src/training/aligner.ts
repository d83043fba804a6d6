import { resolveExperiment } from '../config/experiment.js';
import { loadExperiment } from '../config/load.js';
import { override } from '../config/override.js';
import type { Experiment } from '../config/schema.js';
import { Fault } from '../fault.js';
import { fileDigest } from '../files.js';
import type { Aligner } from '../models/aligner.js';
import { foldConv } from '../models/conv-module.js';
import { predictKnots, unetLutShape } from '../models/unet-lut.js';
import type { Mapping } from '../ops/mapping.js';
import { startTensorflow } from '../ops/tensorflow.js';
import type { Slot } from '../ops/unet-layout.js';
import { besideModel, readDomain } from './checkpoint.js';
import { readPth } from './pth.js';
import { checkRunWeights } from './result.js';
import { readSafetensors } from './safetensors.js';
import { flatten, type TensorFile } from './tensor-file.js';

/** Weights without a configuration, such as the original's .pth, are taken as this experiment. */
const assumed = 'paper/unet-lut-conv-tv';

const readWeights = async (path: string): Promise<TensorFile> => {
  if (/\.(pth|pt|ckpt)$/i.test(path)) return readPth(path);
  if (/\.safetensors$/i.test(path)) return readSafetensors(path);
  throw new Fault(`weights: ${path}; a .safetensors or a PyTorch .pth file (.pt, .ckpt) is needed`);
};

const experimentOf = async (
  path: string,
  { metadata }: TensorFile,
  words: readonly string[],
): Promise<Experiment> => {
  const text = metadata['bandalign'];
  if (text === undefined) return loadExperiment(assumed, words);
  let stored: unknown = null;
  try {
    stored = JSON.parse(text);
  } catch {
    // told below
  }
  if (stored === null || typeof stored !== 'object' || Array.isArray(stored))
    throw new Fault(`weights: ${path}: its configuration is no JSON object; take another copy`);
  // the machine that trained is not the one that predicts
  return resolveExperiment(override({ ...stored, backend: 'auto' }, words));
};

const whole = (name: string, ...shape: number[]): Slot => ({
  name,
  shape,
  offset: 0,
  size: shape.reduce((a, b) => a * b, 1),
});

const closedForm = (path: string, file: TensorFile, { data, model }: Experiment): Mapping => {
  const bands = data.bands.length;
  const beside = (name: string): boolean => /^(domain|residuals)\./.test(name);
  if (model.kind === 'identity' || model.kind === 'linear') {
    const [slope, intercept] = ['mapping.slope', 'mapping.intercept'].map((name) => {
      const tensor = file.tensors.get(name);
      if (tensor?.dtype !== 'F64' || tensor.data.length !== bands)
        throw new Fault(`weights: ${path} lacks ${name}, ${bands} × F64; is it of this model?`);
      if (!tensor.data.every(Number.isFinite))
        throw new Fault(`weights: ${path} has NaN or infinity in ${name}; fit it again`);
      return [...tensor.data];
    });
    return { form: 'affine', slope, intercept };
  }
  const [values] = flatten(path, file, [{ slots: [whole('mapping.lut', bands, model.knots)] }], beside);
  return { form: 'lut', knots: model.knots, bandMax: data.bandMax, values };
};

/**
 * Loads fitted weights: ours (.safetensors, configuration inside) or the original's (.pth, taken as
 * `paper/unet-lut-conv-tv`); `words` are `--set` overrides. With `model.conv=false` a conv module in the file is left
 * out.
 *
 * @throws Fault for a file that is cut, malformed, not the one that its run's `result.json` records, or whose tensors are not
 *   the model's (all of them named)
 */
export const loadAligner = async (path: string, words: readonly string[] = []): Promise<Aligner> => {
  const file = await readWeights(path);
  const weightsDigest = await fileDigest(path);
  await checkRunWeights(path, weightsDigest);
  const experiment = await experimentOf(path, file, words);
  const common = { experiment, weightsDigest, ...readDomain(file) };
  if (experiment.model.kind === 'oracle')
    throw new Fault(`weights: ${path}; the oracle has none, it is fitted on each test tile`);
  if (experiment.model.kind !== 'unet-lut') {
    const mapping = closedForm(path, file, experiment);
    return { ...common, conv: null, mapping: async () => mapping };
  }
  if (experiment.backend !== 'auto') await startTensorflow(experiment.backend);
  const shape = unetLutShape(experiment);
  const bands = shape.spec.bands;
  const beside = (name: string): boolean =>
    besideModel(name) || (shape.conv === null && name.startsWith('conv1.'));
  const [theta, running, convTheta, convRunning, base] = flatten(
    path,
    file,
    [
      { slots: shape.unet.parameters },
      { slots: shape.unet.running },
      { slots: shape.conv?.parameters ?? [] },
      { slots: shape.conv?.running ?? [] },
      {
        slots:
          experiment.model.unet.output === 'correction'
            ? [whole('base.lut', bands, experiment.model.knots)]
            : [],
      },
    ],
    beside,
  );
  const weights = { theta, running, base: base.length > 0 ? base : null };
  return {
    ...common,
    conv: shape.conv ? foldConv(bands, convTheta, convRunning) : null,
    mapping: async (histogram) => (await predictKnots(experiment, shape, weights, [histogram]))[0],
  };
};
