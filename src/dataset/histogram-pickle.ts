import { readFile } from 'node:fs/promises';
import { Fault, reason, refuse } from '../fault.js';
import { isNumpyArray, type NumpyArray, numpyConstructors, numpyValues } from './numpy-pickle.js';
import { pickleFault, unpickle } from './pickle.js';
import { PickleError } from './pickle-reader.js';

const holds = 'numpy arrays by name';

/** The one shape that all arrays have, where it is of two axes and not the one needed: made for other bins or bands. */
const otherShape = (values: readonly unknown[], needed: string): readonly number[] | null => {
  const [first] = values;
  if (!isNumpyArray(first) || first.shape.length !== 2 || first.shape.join() === needed) return null;
  const shape = first.shape.join();
  return values.every((value) => isNumpyArray(value) && value.shape.join() === shape) ? first.shape : null;
};

/**
 * Reads the paper's histogram pickles: `{name: array [bands, bins]}`, name being a patch's file name or a tile's
 * `<tile>_<date>`. No code in the file is run.
 *
 * @param only names wanted; others are not decoded (default: all)
 * @param onOtherShape called, and nothing read, where all histograms wanted are of one other shape; else that is a fault
 * @returns counts [bands·bins] by name, in the file's order
 * @throws Fault for a file that is missing, cut or no such pickle, that asks for any constructor but numpy's, or
 *   whose histograms have another shape or values below zero (every such name is reported)
 */
export const readHistogramPickle = async (
  path: string,
  bands: number,
  bins: number,
  only?: ReadonlySet<string>,
  onOtherShape?: (shape: readonly number[]) => void,
): Promise<Map<string, Float64Array>> => {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Fault(`histograms: ${path} cannot be read (${reason(error)}); give a readable file`);
  });
  const root = unpickle(bytes, { path, holds, allow: numpyConstructors });
  if (!(root instanceof Map))
    throw new Fault(`histograms: ${path} holds no dictionary; {name: array [${bands}, ${bins}]} is needed`);

  const wanted = [...(root as Map<unknown, unknown>)].filter(
    ([name]) => !only || typeof name !== 'string' || only.has(name),
  );
  const other = otherShape(
    wanted.map(([, value]) => value),
    `${bands},${bins}`,
  );
  if (other) {
    if (!onOtherShape)
      throw new Fault(
        `histograms: ${path} has histograms of [${other.join(', ')}] where [${bands}, ${bins}] is needed; data.histograms=computed counts anew`,
      );
    onOtherShape(other);
    return new Map();
  }

  const faults: string[] = [];
  const histograms = new Map<string, Float64Array>();
  const decoded = new Map<NumpyArray, Float64Array>();
  // every value of an honest file takes a byte at least: more is one array named again and again
  let budget = bytes.length;
  for (const [name, value] of wanted) {
    if (typeof name !== 'string') {
      faults.push(`histograms: ${path} has a name that is no text; names of patches or tiles are needed`);
      continue;
    }
    if (!isNumpyArray(value) || value.shape.join() !== `${bands},${bins}`) {
      const found = isNumpyArray(value) ? `of shape [${value.shape.join(', ')}]` : 'as no array';
      faults.push(`histograms: ${path} has ${name} ${found}; [${bands}, ${bins}] is needed`);
      continue;
    }
    let counts = decoded.get(value);
    if (!counts) {
      budget -= bands * bins;
      counts = decode(path, value, budget);
      decoded.set(value, counts);
    }
    if (!counts.every((count) => count >= 0 && count < Infinity))
      faults.push(
        `histograms: ${path} has ${name} with counts that are negative or not finite; count it anew`,
      );
    histograms.set(name, counts);
  }
  refuse(faults);
  return histograms;
};

const decode = (path: string, array: NumpyArray, budget: number): Float64Array => {
  try {
    if (budget < 0) throw new PickleError('names the same data more often than it can hold');
    return numpyValues(array);
  } catch (error) {
    if (error instanceof PickleError) throw pickleFault(path, error, holds);
    throw error;
  }
};
