import { registry } from '../config/definitions.js';
import { didYouMean } from '../config/spelling.js';
import { Fault } from '../fault.js';
import { crossFittedLinear } from './cross-fitted-linear.js';
import { crossFittedLut } from './cross-fitted-lut.js';
import { globalLut } from './global-lut.js';
import { gpLinear } from './gp-linear.js';
import { histogramMatching } from './histogram-matching.js';
import { identity } from './identity.js';
import { kernelLinear } from './kernel-linear.js';
import { kernelLut } from './kernel-lut.js';
import { linear } from './linear.js';
import { type Model, type ModelSettings, makeModel } from './model.js';
import { multiBand } from './multi-band.js';
import { oracle } from './oracle.js';
import { unetLut } from './unet-lut/unet-lut.js';

/** The models that experiments may name; the package's own a line each. */
export const models = registry<'kind', Model>('model', 'kind', [
  identity,
  linear,
  histogramMatching,
  globalLut,
  multiBand,
  kernelLut,
  kernelLinear,
  gpLinear,
  unetLut,
  oracle,
  crossFittedLut,
  crossFittedLinear,
]);

/** Settings of the models beyond the paper's, as an experiment writes them, by kind. */
type Written<K extends string, D> = D extends { configure: (settings?: infer Settings) => unknown }
  ? { kind: K } & NonNullable<Settings>
  : never;
export type WrittenModel =
  | Written<'multi-band', typeof multiBand>
  | Written<'kernel-lut', typeof kernelLut>
  | Written<'kernel-linear', typeof kernelLinear>
  | Written<'gp-linear', typeof gpLinear>
  | Written<'cross-fitted-lut', typeof crossFittedLut>
  | Written<'cross-fitted-linear', typeof crossFittedLinear>;

/**
 * Defines a model of one's own: in closed form with one mapping for all tiles (`fit`), in closed form with a mapping for
 * each tile (`fit`, `mapping`, `tensors`, `restore`), or a network that the framework trains (`network`). An experiment
 * names it by `model: { kind, …settings }` or, with its settings typed, `model: definition.configure({ …settings })`.
 *
 * @throws Fault for a kind that is taken
 */
export const defineModel = ((definition: Parameters<typeof makeModel>[0]) =>
  models.define(makeModel(definition))) as typeof makeModel;

/** The model that an experiment names. @throws Fault where this process does not know it */
export const modelOf = ({ model: { kind } }: { model: Pick<ModelSettings, 'kind'> }): Model => {
  const found = models.get(kind);
  if (!found)
    throw new Fault(
      `model: ${kind}; ${didYouMean(
        kind,
        models.list().map((model) => model.kind),
      )}bandalign has none of that kind, --model FILE names the file that defines it`,
    );
  return found;
};

/** What models of this kind see of the target that they are tested on; undefined for a model that competes. */
export const boundOf = (kind: string): Model['bound'] => models.get(kind)?.bound;
