import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import { type SampleKernel, samplesPerCall } from '../raster/sample-kernel.js';
import { codes as allCodes } from './pixel-coding.js';

/** Counts how often each code of each band occurs, by kernels/codes.ts. */
export const codeCounter = (bands: number) => {
  const empty = (): Float64Array[] => Array.from({ length: bands }, () => new Float64Array(allCodes));
  const sums = { valid: empty(), masked: empty() };
  const { take, size } = memoryPlan();
  const codesAt = take(2 * samplesPerCall);
  const maskAt = take(samplesPerCall);
  // in 32 bits, which are faster, as long as they cannot run over
  const recentAt = {
    valid: sums.valid.map(() => take(4 * allCodes)),
    masked: sums.masked.map(() => take(4 * allCodes)),
  };
  const memory = kernelMemory(size());
  const { buffer } = memory;
  const kernel = loadKernel<SampleKernel>('samples', memory);
  const chunk = new Uint16Array(buffer, codesAt, samplesPerCall);
  const mask = new Uint8Array(buffer, maskAt, samplesPerCall);
  let pending = 0;
  const settle = (): typeof sums => {
    for (const kind of ['valid', 'masked'] as const)
      recentAt[kind].forEach((at, b) => {
        const counts = new Uint32Array(buffer, at, allCodes);
        for (let code = 0; code < allCodes; code++) sums[kind][b][code] += counts[code];
        counts.fill(0);
      });
    pending = 0;
    return sums;
  };
  return {
    /** All that was counted: [codes] for each band, of valid pixels and of masked ones. */
    counts: settle,
    /** Counts pixels by whether `valid` is 1; without it all are. */
    add: (codes: readonly Uint16Array[], valid: Uint8Array | null): void => {
      const { length } = codes[0];
      pending += length;
      if (pending > 0xffffffff) settle();
      for (let from = 0; from < length; from += samplesPerCall) {
        const count = Math.min(samplesPerCall, length - from);
        if (valid) mask.set(valid.subarray(from, from + count));
        codes.forEach((band, b) => {
          chunk.set(band.subarray(from, from + count));
          if (valid) kernel.countMaskedCodes(codesAt, maskAt, count, recentAt.masked[b], recentAt.valid[b]);
          else kernel.countCodes(codesAt, count, recentAt.valid[b]);
        });
      }
    },
  };
};
