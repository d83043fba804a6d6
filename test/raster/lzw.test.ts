import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressLzw as compress, decompressLzw } from '../../src/raster/lzw.js';

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
