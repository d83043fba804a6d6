import { pickleFault, unpickle } from '../dataset/pickle.js';
import { PickleError } from '../dataset/pickle-reader.js';
import { Fault } from '../fault.js';
import type { Tensor, TensorFile } from '../models/tensor-file.js';
import { dtypeBytes, tensorOver } from './safetensors.js';
import { type TorchArchive, withTorchArchive } from './torch-archive.js';
import {
  elements,
  isTorchTensor,
  storageResolver,
  type TorchTensor,
  torchConstructors,
} from './torch-pickle.js';

const holds = 'tensors, numbers and text (a state_dict, not a whole model)';

/** Keys under which training programs keep the weights; the original's first. */
const modelKeys = ['model_state', 'model_state_dict', 'state_dict', 'model'];
const optimiserKeys = ['optimizer_state', 'optimizer_state_dict', 'optimizer'];

type Dict = Map<unknown, unknown>;
const isDict = (value: unknown): value is Dict => value instanceof Map;

const pick = (root: Dict, keys: readonly string[]): Dict | undefined =>
  keys.map((key) => root.get(key)).find(isDict);

/** What DataParallel, torch.compile and Lightning put before every name. */
const wrapper = /^(module|_orig_mod|model)\./;

const unwrapped = (named: Map<string, TorchTensor>): Map<string, TorchTensor> => {
  const [first] = named.keys();
  const prefix = wrapper.exec(first)?.[0];
  return prefix && [...named.keys()].every((name) => name.startsWith(prefix))
    ? unwrapped(new Map([...named].map(([name, tensor]) => [name.slice(prefix.length), tensor])))
    : named;
};

/** Named tensors of a state_dict; what wraps all names alike is left out. */
const namedTensors = (path: string, state: Dict): Map<string, TorchTensor> => {
  const named = new Map<string, TorchTensor>();
  for (const [name, value] of state) {
    if (typeof name !== 'string' || !isTorchTensor(value))
      throw new Fault(
        `weights: ${path} has ${String(name).slice(0, 80)}, which is no tensor; give a state_dict, alone or as ${modelKeys.join(', ')}`,
      );
    named.set(name, value);
  }
  if (named.size === 0)
    throw new Fault(`weights: ${path} holds no tensors; give a checkpoint with a state_dict`);
  return unwrapped(named);
};

const isParameter = (name: string): boolean =>
  !/\.(running_mean|running_var|num_batches_tracked)$/.test(name);

const isText = (value: unknown): value is number | string | boolean =>
  typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';

/** Lists and numbers of an optimiser's group as JSON: `{"lr":0.001,"betas":[0.9,0.999],…}`. */
const groupJson = (group: Dict): string =>
  JSON.stringify(
    Object.fromEntries(
      [...group].filter(
        ([key, value]) =>
          typeof key === 'string' &&
          key !== 'params' &&
          (value === null || isText(value) || (Array.isArray(value) && value.every(isText))),
      ),
    ),
  );

/** Adam's state by parameter name: PyTorch numbers parameters in the order in which the model has them. */
const optimiserTensors = (
  path: string,
  optimiser: Dict,
  model: ReadonlyMap<string, TorchTensor>,
): { tensors: [string, TorchTensor | number][]; group: string | undefined } => {
  const fault = (what: string): Fault =>
    new Fault(`weights: ${path} has an optimiser state ${what}; give a checkpoint of torch.optim.Adam`);
  const [groups, states] = [optimiser.get('param_groups'), optimiser.get('state')];
  if (!Array.isArray(groups) || !groups.every(isDict) || !isDict(states)) throw fault('of unknown form');
  const numbers = (groups as Dict[]).flatMap((group) => group.get('params') as unknown);
  const names = [...model.keys()].filter(isParameter);
  if (numbers.length !== names.length)
    throw fault(`of ${numbers.length} parameters where the model has ${names.length}`);
  const tensors: [string, TorchTensor | number][] = [];
  for (const [k, number] of numbers.entries()) {
    const state = states.get(number);
    // a parameter that never got a gradient has none
    if (state === undefined) continue;
    if (!isDict(state)) throw fault('of unknown form');
    for (const [key, value] of state) {
      const name = `optimizer.${String(key)}.${names[k]}`;
      if (isTorchTensor(value)) {
        const [moment, weight] = [value.shape, model.get(names[k])?.shape ?? []];
        if (moment.length > 0 && moment.join() !== weight.join())
          throw fault(`${name} of shape [${moment.join(', ')}] for a weight of [${weight.join(', ')}]`);
        tensors.push([name, value]);
      } else if (typeof value === 'number') tensors.push([name, value]);
    }
  }
  const [first] = groups as Dict[];
  return { tensors, group: first && groupJson(first) };
};

/** Copies strided tensors into row-major order; contiguous ones stay views of their storage. */
const materialise = (tensor: TorchTensor, storage: ArrayBuffer): Tensor => {
  const { shape, strides, offset } = tensor;
  const { dtype } = tensor.storage;
  const width = dtypeBytes(dtype);
  const count = elements(shape);
  let expected = 1;
  let contiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) contiguous = false;
    expected *= shape[axis];
  }
  if (contiguous || count === 0)
    return tensorOver(dtype, shape, storage, count === 0 ? 0 : offset * width, count * width);
  const from = new Uint8Array(storage);
  const to = new Uint8Array(count * width);
  const position = shape.map(() => 0);
  for (let k = 0; k < count; k++) {
    const at = width * position.reduce((sum, index, axis) => sum + index * strides[axis], offset);
    for (let byte = 0; byte < width; byte++) to[k * width + byte] = from[at + byte];
    for (let axis = shape.length - 1; axis >= 0 && ++position[axis] === shape[axis]; axis--)
      position[axis] = 0;
  }
  return tensorOver(dtype, shape, to.buffer, 0, to.length);
};

const readTensors = async (
  path: string,
  archive: TorchArchive,
  wanted: readonly [string, TorchTensor | number][],
): Promise<Map<string, Tensor>> => {
  // tensors may share storages, but not so that a small file fills the memory
  const bytes = wanted.reduce(
    (sum, [, tensor]) =>
      sum + (typeof tensor === 'number' ? 8 : elements(tensor.shape) * dtypeBytes(tensor.storage.dtype)),
    0,
  );
  if (bytes > 4 * archive.size + 2 ** 20)
    throw new Fault(`weights: ${path} of ${archive.size} bytes unfolds to ${bytes}; give a plain state_dict`);
  const storages = new Map<string, ArrayBuffer>();
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of wanted) {
    if (typeof value === 'number') {
      tensors.set(name, { dtype: 'F64', shape: [], data: Float64Array.of(value) });
      continue;
    }
    const { key } = value.storage;
    const storage = storages.get(key) ?? (await archive.readStorage(key));
    storages.set(key, storage);
    tensors.set(name, materialise(value, storage));
  }
  return tensors;
};

/**
 * Reads a PyTorch checkpoint (zip format, PyTorch ≥ 1.6): the original's `{model_state, optimizer_state}`, the common
 * `{model_state_dict | state_dict | model, …}`, or a bare state_dict; `module.`, `_orig_mod.` or `model.` before every
 * name is left out. No code in it is run.
 *
 * Weights keep their names. Adam's state comes as `optimizer.exp_avg.<weight>`, `optimizer.exp_avg_sq.<weight>` and
 * `optimizer.step.<weight>` (a scalar), where the weight ever got a gradient; the settings of its first group as JSON
 * in `metadata['optimizer']`; other numbers and texts of the checkpoint (`epoch`) under their own keys.
 *
 * @throws Fault for a file that is missing, cut, damaged, of the format before PyTorch 1.6, or that asks for any
 *   constructor off the allow-list
 */
export const readPth = (path: string): Promise<TensorFile> =>
  withTorchArchive(path, async (archive) => {
    const root = unpickle(archive.pickle, {
      path,
      holds,
      allow: torchConstructors,
      persistent: storageResolver(archive.storageSize),
    });
    if (!isDict(root)) throw pickleFault(path, new PickleError('is no dictionary'), holds);
    const model = namedTensors(path, pick(root, modelKeys) ?? root);
    const optimiser = pick(root, optimiserKeys);
    const adam = optimiser && optimiserTensors(path, optimiser, model);
    const metadata: Record<string, string> = { format: 'pt' };
    for (const [key, value] of root)
      if (typeof key === 'string' && isText(value)) metadata[key] = String(value);
    if (adam?.group) metadata['optimizer'] = adam.group;
    return { tensors: await readTensors(path, archive, [...model, ...(adam?.tensors ?? [])]), metadata };
  });
