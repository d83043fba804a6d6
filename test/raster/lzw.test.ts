import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompressLzw } from '../../src/raster/lzw.js';

/** TIFF's LZW as its specification gives it, for the round trip. */
const compress = (bytes: Uint8Array): Uint8Array => {
  const out: number[] = [];
  let [bits, held] = [0, 0];
  let width = 9;
  const put = (code: number): void => {
    bits = (bits << width) | code;
    held += width;
    for (; held >= 8; held -= 8) out.push((bits >> (held - 8)) & 255);
    bits &= (1 << held) - 1;
  };
  let table = new Map<string, number>();
  let next = 258;
  const codeOf = (key: string): number => (key.length === 1 ? key.charCodeAt(0) : (table.get(key) as number));
  put(256);
  let held2 = '';
  for (const byte of bytes) {
    const longer = held2 + String.fromCharCode(byte);
    if (longer.length === 1 || table.has(longer)) {
      held2 = longer;
      continue;
    }
    put(codeOf(held2));
    table.set(longer, next++);
    if (next === 4095) {
      put(256);
      table = new Map();
      [next, width] = [258, 9];
    } else if (next === 1 << width) width++;
    held2 = String.fromCharCode(byte);
  }
  if (held2) {
    put(codeOf(held2));
    if (++next === 1 << width) width++;
  }
  put(257);
  if (held > 0) out.push((bits << (8 - held)) & 255);
  return Uint8Array.from(out);
};

describe('decompressLzw', () => {
  it('gives back what was compressed', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc
        .array(fc.constantFrom(0, 0, 0, 7, 255), { maxLength: 60_000, minLength: 20_000 })
        .map((a) => Uint8Array.from(a)),
    );
    fc.assert(
      fc.property(bytes, (plain) => {
        expect(Buffer.from(decompressLzw(compress(plain), plain.length)).equals(Buffer.from(plain))).toBe(
          true,
        );
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('ends on any stream, within its limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(5000), (stream, limit) => {
        try {
          expect(decompressLzw(stream, limit).length).toBeLessThanOrEqual(limit);
        } catch (error) {
          expect(String(error)).toContain('LZW code');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
