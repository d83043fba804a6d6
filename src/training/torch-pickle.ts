import { numpyConstructors } from '../dataset/numpy-pickle.js';
import { type Constructor, globalName } from '../dataset/pickle.js';
import { PickleError } from '../dataset/pickle-reader.js';
import type { Dtype } from '../models/tensor-file.js';
import { dtypeBytes } from './safetensors.js';

/** A block of numbers in the archive that tensors look at. */
export interface TorchStorage {
  key: string;
  dtype: Dtype;
  /** Elements. */
  length: number;
}

/** A view of a storage: element (i, j, …) is at offset + i·strides[0] + j·strides[1] + …, in elements. */
export interface TorchTensor {
  storage: TorchStorage;
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

const storageTypes: Record<string, Dtype> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const storages = new WeakSet<object>();
const tensors = new WeakSet<object>();

const isStorage = (value: unknown): value is TorchStorage =>
  typeof value === 'object' && value !== null && storages.has(value);

/** Is this value of a pickle a tensor? */
export const isTorchTensor = (value: unknown): value is TorchTensor =>
  typeof value === 'object' && value !== null && tensors.has(value);

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const wholes = (value: unknown): number[] => {
  if (!Array.isArray(value) || !value.every(isWhole)) throw new PickleError('has a tensor of no valid shape');
  return value;
};

/** Elements of a shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const rebuildTensor: Constructor = ([storage, offset, size, stride]) => {
  if (!isStorage(storage) || !isWhole(offset)) throw new PickleError('has a tensor without a storage');
  const [shape, strides] = [wholes(size), wholes(stride)];
  if (shape.length !== strides.length) throw new PickleError('has a tensor whose strides do not fit');
  const count = elements(shape);
  const last = shape.reduce((at, extent, axis) => at + (extent - 1) * strides[axis], offset);
  // an expanded tensor (stride 0) could be of any size: no checkpoint needs one
  if (count > storage.length || (count > 0 && last >= storage.length))
    throw new PickleError(
      `has a tensor [${shape.join(', ')}] beyond its storage of ${storage.length} values`,
    );
  const tensor: TorchTensor = { storage, offset, shape: [...shape], strides: [...strides] };
  tensors.add(tensor);
  return tensor;
};

const rebuildParameter: Constructor = ([data]) => {
  if (!isTorchTensor(data)) throw new PickleError('has a parameter that is no tensor');
  return data;
};

const size: Constructor = ([values]) => wholes(values);

const typeOnly: Constructor = () => {
  throw new PickleError('makes a storage of its own');
};

/** All that the checkpoints of `state_dict`s and optimisers ask for. */
export const torchConstructors: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ...numpyConstructors,
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  ['torch.Size', size],
  ...Object.keys(storageTypes).map((name): [string, Constructor] => [`torch.${name}`, typeOnly]),
]);

/**
 * Resolves persistent ids `('storage', type, key, device, length)`.
 * @param bytesOf bytes of a storage in the archive
 */
export const storageResolver = (
  bytesOf: (key: string) => number | undefined,
): ((id: unknown) => TorchStorage) => {
  const known = new Map<string, TorchStorage>();
  return (id) => {
    const [kind, type, key, , length] = Array.isArray(id) ? (id as unknown[]) : [];
    const dtype = storageTypes[globalName(type)?.replace(/^torch\./, '') ?? ''];
    if (kind !== 'storage' || !dtype || typeof key !== 'string' || !isWhole(length))
      throw new PickleError('refers to a storage of unknown kind');
    const bytes = bytesOf(key);
    const expected = length * dtypeBytes(dtype);
    if (bytes !== expected)
      throw new PickleError(
        bytes === undefined
          ? `refers to storage ${key}, which the archive lacks`
          : `refers to storage ${key} of ${expected} bytes, which has ${bytes}`,
      );
    const found = known.get(key);
    if (found && found.dtype !== dtype) throw new PickleError(`takes storage ${key} as two types`);
    const storage = found ?? { key, dtype, length };
    known.set(key, storage);
    storages.add(storage);
    return storage;
  };
};
