import { refuse } from '../fault.js';
import type { Slot } from '../ops/unet-layout.js';

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

/**
 * Copies tensors (F32, or F64 rounded to it) into one flat vector per part, laid out by its slots.
 *
 * @param path the file's name, for messages
 * @param ignore extra tensors that may be there (default {@link besideWeights})
 * @returns a vector for each part, in order
 * @throws Fault that lists every missing, extra, wrongly shaped and non-float tensor
 */
export const flatten = (
  path: string,
  file: TensorFile,
  parts: readonly Part[],
  ignore: (name: string) => boolean = besideWeights,
): Float32Array[] => {
  const faults: string[] = [];
  const used = new Set<string>();
  const vectors = parts.map(({ slots, prefix = '' }) => {
    const vector = new Float32Array(slots.reduce((end, slot) => Math.max(end, slot.offset + slot.size), 0));
    for (const slot of slots) {
      const name = prefix + slot.name;
      used.add(name);
      const tensor = file.tensors.get(name);
      if (!tensor)
        faults.push(`weights: ${path} lacks ${name} ${shapeText(slot.shape)}; is it of this model?`);
      else if (!sameShape(tensor.shape, slot.shape))
        faults.push(
          `weights: ${path} has ${name} of shape ${shapeText(tensor.shape)}; the model needs ${shapeText(slot.shape)}`,
        );
      else if (tensor.dtype === 'F32' || tensor.dtype === 'F64') vector.set(tensor.data, slot.offset);
      else faults.push(`weights: ${path} has ${name} as ${tensor.dtype}; F32 or F64 is needed`);
    }
    return vector;
  });
  for (const [name, tensor] of file.tensors)
    if (!used.has(name) && !ignore(name))
      faults.push(`weights: ${path} has ${name} ${shapeText(tensor.shape)}; the model has no such tensor`);
  refuse(faults);
  return vectors;
};
