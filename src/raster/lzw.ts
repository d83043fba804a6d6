const clearCode = 256;
const endCode = 257;
const firstFree = 258;
const mostCodes = 4096;

/**
 * Decompresses TIFF's LZW (TIFF 6.0, section 13: most significant bit first, codes of 9 to 12 bits that widen one code
 * early) into at most `limit` bytes. Own code: geotiff's runs out of memory on a damaged stream and takes ten times
 * as long on a good one.
 * @throws Error for a code that no encoder writes.
 */
export const decompressLzw = (input: Uint8Array, limit: number): Uint8Array => {
  const out = new Uint8Array(limit);
  // an entry is a stretch of the output that was written already
  const start = new Int32Array(mostCodes);
  const length = new Int32Array(mostCodes);
  let [next, width, written] = [firstFree, 9, 0];
  let before = -1;
  let [bits, held, at] = [0, 0, 0];
  while (written < limit) {
    while (held < width) {
      // a stream may end without its end code
      if (at >= input.length) return out.subarray(0, written);
      bits = ((bits << 8) | input[at++]) & 0xffffff;
      held += 8;
    }
    held -= width;
    const code = (bits >>> held) & ((1 << width) - 1);
    if (code === endCode) break;
    if (code === clearCode) {
      [next, width, before] = [firstFree, 9, -1];
      continue;
    }
    if (
      code > next ||
      (code === next && before < 0) ||
      (code >= firstFree && code >= next && next >= mostCodes)
    )
      throw new Error(`LZW code ${code} where at most ${next} is defined`);
    const from = written;
    if (code < clearCode) out[written++] = code;
    else {
      // a code that is just being defined is the one before and its own first byte
      const [origin, count] = code < next ? [start[code], length[code]] : [before, from - before + 1];
      const end = Math.min(limit, written + count);
      for (let read = origin; written < end; read++) out[written++] = out[read];
    }
    if (before >= 0 && next < mostCodes) {
      start[next] = before;
      length[next] = from - before + 1;
      next++;
      if (next + 1 >= 1 << width && width < 12) width++;
    }
    before = from;
  }
  return out.subarray(0, written);
};
