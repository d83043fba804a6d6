type Words = Uint8Array | Uint16Array | Uint32Array;

/** Sums differences of neighbours `samples` apart, in place; arithmetic wraps as the samples do. */
const sumRow = (row: Words, from: number, end: number, samples: number): void => {
  for (let i = from + samples; i < end; i++) row[i] += row[i - samples];
};

/** One band alone: the usual mask, and bands apart. */
const sumOne = (row: Words, from: number, end: number): void => {
  let a = 0;
  for (let i = from; i < end; i++) {
    a = (a + row[i]) | 0;
    row[i] = a;
  }
};

const sumLong = (row: BigUint64Array, from: number, end: number, samples: number): void => {
  for (let i = from + samples; i < end; i++) row[i] += row[i - samples];
};

/** Bytes of a row lie by significance, the most significant first, as differences of bytes (TIFF technical note 3). */
const joinFloats = (row: Uint8Array, samples: number, size: number, work: Uint8Array): void => {
  sumRow(row, 0, row.length, samples);
  work.set(row);
  const count = row.length / size;
  for (let byte = 0; byte < size; byte++) {
    const from = (size - 1 - byte) * count;
    for (let i = 0; i < count; i++) row[size * i + byte] = work[from + i];
  }
};

/** How the samples of a block lie. */
export interface BlockRows {
  /** 1 none, 2 horizontal, 3 floating point. */
  predictor: number;
  rows: number;
  /** Samples of a row, all bands. */
  rowSamples: number;
  /** Interleaved bands. */
  samples: number;
  bytesPerSample: number;
}

/**
 * Undoes the predictor of a block in native byte order, in place.
 * @param bytes begins at a multiple of 8 in its buffer
 */
export const undoPredictor = (
  bytes: Uint8Array<ArrayBuffer>,
  { predictor, rows, rowSamples, samples, bytesPerSample: size }: BlockRows,
): void => {
  if (predictor === 1) return;
  const length = rows * rowSamples;
  if (predictor === 3) {
    const rowBytes = rowSamples * size;
    const work = new Uint8Array(rowBytes);
    for (let row = 0; row < rows; row++)
      joinFloats(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), samples, size, work);
    return;
  }
  if (predictor !== 2) throw new Error(`predictor ${predictor} is not known`);
  if (size === 8) {
    const long = new BigUint64Array(bytes.buffer, bytes.byteOffset, length);
    for (let at = 0; at < length; at += rowSamples) sumLong(long, at, at + rowSamples, samples);
    return;
  }
  const Type = size === 1 ? Uint8Array : size === 2 ? Uint16Array : Uint32Array;
  const words: Words = new Type(bytes.buffer, bytes.byteOffset, length);
  const sum = samples === 1 ? sumOne : sumRow;
  for (let at = 0; at < length; at += rowSamples) sum(words, at, at + rowSamples, samples);
};
