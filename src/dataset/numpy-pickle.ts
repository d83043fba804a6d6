import { type Constructor, globalName, setState } from './pickle.js';
import { PickleError } from './pickle-reader.js';

/** Element type of a numpy array: `i8` little-endian is kind `i`, size 8. */
interface NumpyDtype {
  kind: 'i' | 'u' | 'f' | 'b';
  size: number;
  littleEndian: boolean;
}

/** A numpy array as pickled. */
export interface NumpyArray {
  shape: readonly number[];
  dtype: NumpyDtype;
  /** True: the first axis varies fastest (Fortran order). */
  fortran: boolean;
  /** A view of the file, or (protocols 0 to 2, Python 2) text with a character for each byte. */
  data: Uint8Array | string;
}

const dtypes = new WeakSet<object>();
const arrays = new WeakSet<object>();

const isDtype = (value: unknown): value is NumpyDtype =>
  typeof value === 'object' && value !== null && dtypes.has(value);

/** Is this value of a pickle a whole numpy array (not one whose state never came)? */
export const isNumpyArray = (value: unknown): value is NumpyArray =>
  typeof value === 'object' && value !== null && arrays.has(value);

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const makeArray = (
  target: Partial<NumpyArray>,
  shape: unknown,
  dtype: unknown,
  fortran: boolean,
  data: unknown,
): void => {
  if (!Array.isArray(shape) || !shape.every(isSize) || shape.length > 32)
    throw new PickleError('has an array of no valid shape');
  if (!isDtype(dtype)) throw new PickleError('has an array of no known type');
  if (!(data instanceof Uint8Array) && typeof data !== 'string')
    throw new PickleError('has an array whose data are not bytes');
  const expected = shape.reduce((a, b) => a * b, dtype.size);
  if (data.length !== expected)
    throw new PickleError(`has an array [${shape.join(', ')}] with ${data.length} bytes, not ${expected}`);
  // the dtype is copied: a later BUILD on it must not change a finished array
  Object.assign(target, { shape: [...shape], dtype: { ...dtype }, fortran, data });
  arrays.add(target);
};

const reconstruct: Constructor = ([type]) => {
  if (globalName(type) !== 'numpy.ndarray') throw new PickleError('rebuilds an array of another class');
  const array: Partial<NumpyArray> & { [setState]: (state: unknown) => void } = {
    [setState]: (state) => {
      if (!Array.isArray(state) || state.length < 4) throw new PickleError('has an array without state');
      // (version, shape, dtype, fortran, data); very old ones have no version
      const [shape, dtype, fortran, data] = state.slice(-4);
      makeArray(array, shape, dtype, fortran === true || fortran === 1, data);
    },
  };
  return array;
};

const fromBuffer: Constructor = ([data, dtype, shape, order]) => {
  const array = {};
  makeArray(array, shape, dtype, order === 'F', data);
  return array;
};

const dtype: Constructor = ([spec]) => {
  const parts = typeof spec === 'string' ? /^([<>|=]?)([iufb])([1248])$/.exec(spec) : null;
  if (!parts || (parts[2] === 'f' && Number(parts[3]) < 4))
    throw new PickleError(`has an array of type ${String(spec).slice(0, 20)}, which is no integer or float`);
  const made: NumpyDtype & { [setState]: (state: unknown) => void } = {
    kind: parts[2] as NumpyDtype['kind'],
    size: Number(parts[3]),
    littleEndian: parts[1] !== '>',
    [setState]: (state) => {
      const order = Array.isArray(state) ? state[1] : undefined;
      if (order !== '<' && order !== '>' && order !== '|' && order !== '=')
        throw new PickleError('has a type of unknown byte order');
      made.littleEndian = order !== '>';
    },
  };
  dtypes.add(made);
  return made;
};

const latin1 = (text: string): Uint8Array => {
  for (let k = 0; k < text.length; k++)
    if (text.charCodeAt(k) > 0xff) throw new PickleError('has an array whose data are not bytes');
  return Buffer.from(text, 'latin1');
};

/** The values in row-major (C) order as float64; int64 beyond 2⁵³ is rounded. */
export const numpyValues = ({ shape, dtype, fortran, data }: NumpyArray): Float64Array => {
  const bytes = typeof data === 'string' ? latin1(data) : data;
  const { kind, size, littleEndian } = dtype;
  const count = bytes.length / size;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (at: number): number => {
    if (kind === 'f')
      return size === 8 ? view.getFloat64(at, littleEndian) : view.getFloat32(at, littleEndian);
    const signed = kind === 'i';
    if (size === 8) {
      // two halves: a bigint for each value would be ten times slower
      const high = littleEndian ? at + 4 : at;
      const low = littleEndian ? at : at + 4;
      const upper = signed ? view.getInt32(high, littleEndian) : view.getUint32(high, littleEndian);
      return upper * 2 ** 32 + view.getUint32(low, littleEndian);
    }
    if (size === 4) return signed ? view.getInt32(at, littleEndian) : view.getUint32(at, littleEndian);
    if (size === 2) return signed ? view.getInt16(at, littleEndian) : view.getUint16(at, littleEndian);
    return signed ? view.getInt8(at) : view.getUint8(at);
  };
  const values = new Float64Array(count);
  if (!fortran || shape.length < 2) {
    for (let k = 0; k < count; k++) values[k] = read(k * size);
    return values;
  }
  // k runs through C order; `at` is the same element's place in Fortran order
  const position = shape.map(() => 0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
  for (let k = 0; k < count; k++) {
    values[k] = read(size * position.reduce((at, index, axis) => at + index * strides[axis], 0));
    for (let axis = shape.length - 1; axis >= 0 && ++position[axis] === shape[axis]; axis--)
      position[axis] = 0;
  }
  return values;
};

const scalar: Constructor = ([type, data]) => {
  const holder: Partial<NumpyArray> = {};
  makeArray(holder, [], type, false, data);
  return numpyValues(holder as NumpyArray)[0];
};

const typeOnly: Constructor = () => {
  throw new PickleError('makes an array without its constructor');
};

/** `_codecs.encode(text, 'latin1')`: how protocols 0 to 2 write bytes. The text stays as it is until it is needed. */
const encode: Constructor = ([text, encoding]) => {
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1'))
    throw new PickleError('encodes text otherwise than as latin1');
  return text;
};

const emptyBytes: Constructor = (args) => {
  if (args.length > 0) throw new PickleError('makes bytes from other values');
  return '';
};

const orderedDict: Constructor = ([items]) => {
  const map = new Map<unknown, unknown>();
  if (items === undefined) return map;
  if (!Array.isArray(items)) throw new PickleError('has a dictionary that is none');
  for (const pair of items as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new PickleError('has a dictionary that is none');
    map.set(pair[0], pair[1]);
  }
  return map;
};

/** Everything that pickled numpy arrays of integers and floats ask for: numpy 1 and 2, protocols 0 to 5. */
export const numpyConstructors: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ['numpy.ndarray', typeOnly],
  ['numpy.dtype', dtype],
  ...['numpy.core', 'numpy._core'].flatMap((core): [string, Constructor][] => [
    [`${core}.multiarray._reconstruct`, reconstruct],
    [`${core}.multiarray.scalar`, scalar],
    [`${core}.numeric._frombuffer`, fromBuffer],
  ]),
  ['_codecs.encode', encode],
  ['__builtin__.bytes', emptyBytes],
  ['builtins.bytes', emptyBytes],
  ['collections.OrderedDict', orderedDict],
]);
