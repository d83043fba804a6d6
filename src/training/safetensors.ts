import { type FileHandle, open } from 'node:fs/promises';
import { Fault, reason, refuse } from '../fault.js';
import type { Dtype, Tensor, TensorFile } from '../models/tensor-file.js';
import { duplicateKeys } from './json-keys.js';

/**
 * Safetensors: 8 bytes header length N (u64, little-endian), N bytes JSON
 * `{name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {text: text}}`, then the data without a gap
 * (https://github.com/huggingface/safetensors, "Format").
 */

/**
 * Bytes of a header at most. The reference implementation allows 100 MB, which would take gigabytes to parse; a header of
 * 10 000 tensors has 1 MB.
 */
const maximumHeader = 8 * 2 ** 20;
/** Faults that are told. */
const faultsShown = 20;

const arrayTypes = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** Bytes of one element. */
export const dtypeBytes = (dtype: Dtype): number => arrayTypes[dtype].BYTES_PER_ELEMENT;

const isDtype = (value: unknown): value is Dtype =>
  typeof value === 'string' && Object.hasOwn(arrayTypes, value);

/** A tensor over bytes of `buffer`; copies them only where they are not aligned. */
export const tensorOver = (
  dtype: Dtype,
  shape: readonly number[],
  buffer: ArrayBuffer,
  offset: number,
  length: number,
): Tensor => {
  const type = arrayTypes[dtype];
  const aligned = offset % type.BYTES_PER_ELEMENT === 0;
  const data = aligned
    ? new type(buffer, offset, length / type.BYTES_PER_ELEMENT)
    : new type(buffer.slice(offset, offset + length));
  // the table above pairs each dtype with its array, which the compiler cannot follow through a lookup
  return { dtype, shape, data } as Tensor;
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One tensor's header entry, or what is wrong with it. */
const parseEntry = (name: string, value: unknown, dataLength: number): Entry | string => {
  if (!isRecord(value)) return `${name} is described by no object`;
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) return `${name} has dtype ${JSON.stringify(dtype)}, which is not known`;
  if (!Array.isArray(shape) || !shape.every(isWhole)) return `${name} has no valid shape`;
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isWhole) || offsets[0] > offsets[1])
    return `${name} has no valid offsets`;
  const [begin, end] = offsets as number[];
  if (end > dataLength) return `${name} ends at byte ${end} of ${dataLength}: the file is cut`;
  const bytes = sizeOf(shape) * dtypeBytes(dtype);
  if (bytes !== end - begin)
    return `${name} of ${dtype} [${shape.join(', ')}] needs ${bytes} bytes and has ${end - begin}`;
  return { name, dtype, shape, begin, end };
};

interface Header {
  entries: Entry[];
  metadata: Record<string, string>;
}

const parseHeader = (text: string, dataLength: number): { header: Header; faults: string[] } => {
  const faults: string[] = [];
  const header: Header = { entries: [], metadata: {} };
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return { header, faults: ['its header is no JSON'] };
  }
  if (!text.startsWith('{') || !isRecord(root)) return { header, faults: ['its header is no JSON object'] };
  for (const key of duplicateKeys(text)) faults.push(`${key} is there twice`);
  for (const [name, value] of Object.entries(root)) {
    if (name === '__metadata__') {
      if (isRecord(value) && Object.values(value).every((text) => typeof text === 'string'))
        header.metadata = value as Record<string, string>;
      else faults.push('its __metadata__ is not all text');
      continue;
    }
    const entry = parseEntry(name, value, dataLength);
    if (typeof entry === 'string') faults.push(entry);
    else header.entries.push(entry);
  }
  if (faults.length === 0) {
    // the data must be covered without gap or overlap, so that no byte means two things or nothing
    let end = 0;
    for (const entry of [...header.entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
      if (entry.begin !== end)
        faults.push(`${entry.name} ${entry.begin < end ? 'overlaps another tensor' : 'stands behind a gap'}`);
      end = Math.max(end, entry.end);
    }
    if (end !== dataLength) faults.push(`${dataLength - end} bytes at its end belong to no tensor`);
  }
  return { header, faults };
};

const readFully = async (file: FileHandle, length: number, position: number): Promise<ArrayBuffer> => {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw new Error('it became shorter while it was read');
    done += bytesRead;
  }
  return bytes.buffer;
};

/**
 * Reads a safetensors file; tensors come in the header's order, as views of one buffer where aligned.
 *
 * @throws Fault that names everything wrong with the file: cut, header over 8 MiB or beyond the file, no JSON,
 *   duplicate names, unknown dtypes, sizes that disagree with shapes, gaps, overlaps
 */
export const readSafetensors = async (path: string): Promise<TensorFile> => {
  const fault = (what: string): string => `weights: ${path}: ${what}; give a whole safetensors file`;
  const file = await open(path).catch((error: unknown) => {
    throw new Fault(`weights: ${path} cannot be read (${reason(error)}); give a safetensors or .pth file`);
  });
  try {
    const { size } = await file.stat();
    if (size < 8) throw new Fault(fault(`it has ${size} bytes`));
    const announced = new DataView(await readFully(file, 8, 0)).getBigUint64(0, true);
    if (announced > BigInt(maximumHeader))
      throw new Fault(fault(`its header announces ${announced} bytes, ${maximumHeader} are allowed`));
    const length = Number(announced);
    if (length < 2 || length > size - 8)
      throw new Fault(fault(`its header announces ${length} bytes of ${size - 8}`));
    const text = decodeUtf8(await readFully(file, length, 8));
    if (text === undefined) throw new Fault(fault('its header is no UTF-8'));
    const { header, faults } = parseHeader(text, size - 8 - length);
    refuse(faults.slice(0, faultsShown).map(fault));
    const data = await readFully(file, size - 8 - length, 8 + length);
    const tensors = new Map(
      header.entries.map(({ name, dtype, shape, begin, end }) => [
        name,
        tensorOver(dtype, shape, data, begin, end - begin),
      ]),
    );
    return { tensors, metadata: header.metadata };
  } catch (error) {
    throw error instanceof Fault ? error : new Fault(fault(reason(error)));
  } finally {
    await file.close();
  }
};

const decodeUtf8 = (buffer: ArrayBuffer): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer);
  } catch {
    return undefined;
  }
};

/**
 * The bytes of a safetensors file that the reference implementation reads: widest elements first, so that every tensor
 * is aligned to its element, data from a multiple of 8 on. The same tensors and metadata give the same bytes.
 */
export const encodeSafetensors = (
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array => {
  const ordered = [...tensors].sort(([, a], [, b]) => dtypeBytes(b.dtype) - dtypeBytes(a.dtype));
  let offset = 0;
  const entries = ordered.map(([name, { dtype, shape, data }]): [string, object] => {
    if (name === '__metadata__') throw new RangeError('a tensor cannot be named __metadata__');
    if (sizeOf(shape) !== data.length)
      throw new RangeError(`${name} [${shape.join(', ')}] has ${data.length} values`);
    const begin = offset;
    offset += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  // fromEntries would lose the order of names that look like integers, which changes nothing in what is read
  const json = JSON.stringify(
    Object.fromEntries([
      ...(Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : []),
      ...entries,
    ]),
  );
  const text = Buffer.from(json);
  const headerLength = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength);
  bytes.set(text, 8);
  let position = 8 + headerLength;
  for (const [, { data }] of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
};
