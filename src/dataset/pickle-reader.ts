/** What is wrong with a pickle, without its file's name; {@link unpickle} makes a Fault of it. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
}

const newline = 0x0a;

/** Reads a pickle's operands; every length is checked against the bytes that are left. */
export const pickleReader = (bytes: Uint8Array) => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;

  /** Takes `length` bytes as a view; nothing is allocated. */
  const take = (length: number): Buffer => {
    if (!(length >= 0 && length <= buffer.length - position))
      throw new PickleError(`ends at byte ${buffer.length} where ${length} more bytes were announced`);
    position += length;
    return buffer.subarray(position - length, position);
  };
  const uint8 = (): number => take(1)[0];
  const uint32 = (): number => take(4).readUInt32LE(0);
  const uint64 = (): number => {
    const value = take(8).readBigUInt64LE(0);
    if (value > BigInt(buffer.length)) throw new PickleError(`announces ${value} bytes of content`);
    return Number(value);
  };
  return {
    position: (): number => position,
    take,
    uint8,
    uint16: (): number => take(2).readUInt16LE(0),
    uint32,
    int32: (): number => take(4).readInt32LE(0),
    uint64,
    float64: (): number => take(8).readDoubleBE(0),
    /** Up to the next newline, which is left out; Latin-1. */
    line: (): string => {
      const end = buffer.indexOf(newline, position);
      if (end < 0) throw new PickleError('ends within a line');
      return take(end - position + 1)
        .subarray(0, -1)
        .toString('latin1');
    },
  };
};

/** Two's complement, little-endian, of any length up to 1 kB; a number where that is exact. */
export const longFromBytes = (bytes: Uint8Array): number | bigint => {
  if (bytes.length > 1024) throw new PickleError(`holds an integer of ${bytes.length} bytes`);
  if (bytes.length === 0) return 0;
  let value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  value = BigInt.asIntN(8 * bytes.length, value);
  return narrowed(value);
};

const narrowed = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

/** A decimal integer of protocol 0: `12`, `12L`. */
export const longFromText = (text: string): number | bigint => {
  const digits = /^\s*([+-]?)(\d{1,1000})L?\s*$/.exec(text);
  if (!digits) throw new PickleError(`has ${JSON.stringify(text.slice(0, 40))} for an integer`);
  const value = BigInt(digits[2]);
  return narrowed(digits[1] === '-' ? -value : value);
};

/** A float of protocol 0, as Python's `repr` writes it. */
export const floatFromText = (text: string): number => {
  const special = /^([+-]?)(inf|nan)$/i.exec(text.trim());
  if (special)
    return special[2].toLowerCase() === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new PickleError(`has ${JSON.stringify(text.slice(0, 40))} for a number`);
  return value;
};

/** Protocol 0 text: Latin-1 with `\uXXXX` and `\UXXXXXXXX` (Python's raw-unicode-escape). */
export const rawUnicodeEscape = (text: string): string =>
  text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const point = Number.parseInt(short ?? long ?? '', 16);
    if (point > 0x10ffff) throw new PickleError('holds a character beyond Unicode');
    return String.fromCodePoint(point);
  });

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** Protocol 0 byte string, quoted as Python's `repr` does; a character for each byte. */
export const quotedBytes = (text: string): string => {
  const quoted = /^(['"])(.*)\1$/s.exec(text.trim());
  if (!quoted) throw new PickleError('has a string without quotes');
  return quoted[2].replace(/\\(x([0-9a-fA-F]{2})|[0-7]{1,3}|.)/gs, (_, all: string, hex?: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (/^[0-7]/.test(all)) return String.fromCharCode(Number.parseInt(all, 8) & 0xff);
    return escapes[all] ?? all;
  });
};
