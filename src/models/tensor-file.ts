import type { Slot } from '../engine/layout.js';
import { refuse } from '../fault.js';

/** The values of each dtype as they lie in memory; half floats stay raw 16-bit words. */
export interface DtypeArrays {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  U64: BigUint64Array;
  I32: Int32Array;
  U32: Uint32Array;
  I16: Int16Array;
  U16: Uint16Array;
  I8: Int8Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Element types, by the names that safetensors gives them. */
export type Dtype = keyof DtypeArrays;

/** A tensor in row-major (C) order; `shape` is `[]` for a scalar. */
export type Tensor = {
  [D in Dtype]: { dtype: D; shape: readonly number[]; data: DtypeArrays[D] };
}[Dtype];

/** What a weights file holds, whatever its format: named tensors in file order, and free text beside them. */
export interface TensorFile {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** Slots to be filled from tensors named `prefix + slot.name`. */
export interface Part {
  slots: readonly Slot[];
  /** Default: none. */
  prefix?: string;
}

/**
 * Names in a weights file that are no model weight: optimiser state, and the counters that PyTorch's batch norm
 * keeps but does not use at its default momentum.
 */
export const besideWeights = (name: string): boolean =>
  name.startsWith('optimizer.') || name.endsWith('.num_batches_tracked');

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

const namesShown = 8;

/** One line for all tensors that are wrong in one way. */
const fault = (path: string, what: string, tensors: readonly string[], advice: string): string[] => {
  if (tensors.length === 0) return [];
  const more = tensors.length > namesShown ? `, … (${tensors.length} in all)` : '';
  return [`weights: ${path} ${what} ${tensors.slice(0, namesShown).join(', ')}${more}; ${advice}`];
};

/**
 * Copies tensors (F32, or F64 rounded to it) into one flat vector per part, laid out by its slots.
 *
 * @param path the file's name, for messages
 * @param ignore extra tensors that may be there (default {@link besideWeights})
 * @returns a vector for each part, in order
 * @throws Fault with a line for what is missing, extra, of another shape, no float, and not finite
 */
export const flatten = (
  path: string,
  file: TensorFile,
  parts: readonly Part[],
  ignore: (name: string) => boolean = besideWeights,
): Float32Array[] => {
  const used = new Set<string>();
  const wrong: Record<'missing' | 'shaped' | 'typed' | 'infinite' | 'extra', string[]> = {
    missing: [],
    shaped: [],
    typed: [],
    infinite: [],
    extra: [],
  };
  const vectors = parts.map(({ slots, prefix = '' }) => {
    const vector = new Float32Array(slots.reduce((end, slot) => Math.max(end, slot.offset + slot.size), 0));
    for (const slot of slots) {
      const name = prefix + slot.name;
      used.add(name);
      const tensor = file.tensors.get(name);
      if (!tensor) wrong.missing.push(`${name} ${shapeText(slot.shape)}`);
      else if (!sameShape(tensor.shape, slot.shape))
        wrong.shaped.push(`${name} of shape ${shapeText(tensor.shape)} for ${shapeText(slot.shape)}`);
      else if (tensor.dtype !== 'F32' && tensor.dtype !== 'F64')
        wrong.typed.push(`${name} as ${tensor.dtype}`);
      else {
        vector.set(tensor.data, slot.offset);
        // a moment of the optimiser may overflow and do no harm
        if (!name.startsWith('training.') && !tensor.data.every(Number.isFinite)) wrong.infinite.push(name);
      }
    }
    return vector;
  });
  for (const [name, { shape }] of file.tensors)
    if (!used.has(name) && !ignore(name)) wrong.extra.push(`${name} ${shapeText(shape)}`);
  refuse([
    ...fault(path, 'lacks', wrong.missing, 'is it of this model?'),
    ...fault(path, 'has', wrong.shaped, 'is it of this model?'),
    ...fault(path, 'has', wrong.typed, 'F32 or F64 is needed'),
    ...fault(path, 'has NaN or infinity in', wrong.infinite, 'take an earlier checkpoint'),
    ...fault(path, 'has', wrong.extra, 'the model has no such tensor'),
  ]);
  return vectors;
};
