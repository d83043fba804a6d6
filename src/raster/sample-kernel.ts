/** kernels/samples.entry.ts: loops over 16-bit samples. Addresses and sizes are in bytes, counts in samples or pixels. */
export interface SampleKernel {
  splitFour(
    pixels: number,
    width: number,
    rows: number,
    differences: boolean,
    out: number,
    plane: number,
  ): void;
  packFour(planes: number, plane: number, width: number, rows: number, out: number): void;
  halve(source: number, width: number, rows: number, nodata: number, beside: number, out: number): void;
  countCodes(codes: number, count: number, counts: number): void;
  countMaskedCodes(codes: number, valid: number, count: number, masked: number, counts: number): void;
  readTable(table: number, codes: number, count: number): void;
}

/** Samples that one call takes: with what it makes of them they stay in a core's cache. */
export const samplesPerCall = 32768;
