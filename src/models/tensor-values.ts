import { Fault } from '../fault.js';
import type { Tensor } from './tensor-file.js';

/** Values as a tensor of doubles. */
export const doubles = (values: ArrayLike<number>, ...shape: number[]): Tensor => ({
  dtype: 'F64',
  shape,
  data: Float64Array.from(values),
});

/** Reads tensors of doubles, and gathers what is wrong with them. */
export const tensorReader = (tensors: ReadonlyMap<string, Tensor>) => {
  const faults: string[] = [];
  return {
    /** Values of one tensor; empty where it is not as asked. A size of null may be any. */
    read: (name: string, dtype: 'F32' | 'F64', ...shape: (number | null)[]): Float64Array => {
      const tensor = tensors.get(name);
      const asked = `[${shape.map((size) => size ?? '…').join(', ')}] ${dtype}`;
      const fits =
        tensor?.dtype === dtype &&
        tensor.shape.length === shape.length &&
        shape.every((size, axis) => size === null || size === tensor.shape[axis]);
      if (!tensor) faults.push(`weights: lacks ${name}, ${asked}; is it of this model?`);
      else if (!fits)
        faults.push(
          `weights: ${name} is [${tensor.shape.join(', ')}] ${tensor.dtype}, not ${asked}; is it of this model?`,
        );
      else {
        const data = Float64Array.from(tensor.data as Float32Array | Float64Array);
        if (data.every(Number.isFinite)) return data;
        faults.push(`weights: NaN or infinity in ${name}; fit it again`);
      }
      return new Float64Array(0);
    },
    /** @param more a fault of the caller's own, if any @throws Fault with all that was wrong */
    check: (more: string | null = null): void => {
      if (more !== null) faults.push(more);
      if (faults.length > 0) throw new Fault(faults);
    },
  };
};
