const clearCode = 256;
const endCode = 257;
const firstFree = 258;
const mostCodes = 4096;

/**
 * Compresses as TIFF's LZW (TIFF 6.0, section 13), what {@link decompressLzw} undoes. The table is begun anew when it is
 * full.
 */
export const compressLzw = (input: Uint8Array): Uint8Array => {
  // noise grows: every byte may take a code of 12 bits
  const out = new Uint8Array(Math.ceil(input.length * 1.5) + 16);
  // open addressing over (code before, byte): twice as many places as codes
  const places = 2 * mostCodes;
  const keys = new Int32Array(places);
  const codes = new Uint16Array(places);
  let [bits, held, at] = [0, 0, 0];
  let [next, width] = [firstFree, 9];
  const put = (code: number): void => {
    bits = ((bits << width) | code) & 0xffffff;
    held += width;
    while (held >= 8) {
      held -= 8;
      out[at++] = bits >>> held;
    }
  };
  const begin = (): void => {
    put(clearCode);
    keys.fill(-1);
    [next, width] = [firstFree, 9];
  };
  begin();
  let before = -1;
  for (const byte of input) {
    if (before < 0) {
      before = byte;
      continue;
    }
    const key = (before << 8) | byte;
    let place = Math.imul(key, 0x9e3779b1) >>> 19;
    while (keys[place] >= 0 && keys[place] !== key) place = (place + 1) % places;
    if (keys[place] === key) {
      before = codes[place];
      continue;
    }
    put(before);
    keys[place] = key;
    codes[place] = next++;
    before = byte;
    // readers widen one code early
    if (next === mostCodes - 1) begin();
    else if (next === 1 << width) width++;
  }
  if (before >= 0) {
    put(before);
    if (++next === 1 << width && width < 12) width++;
  }
  put(endCode);
  if (held > 0) out[at++] = bits << (8 - held);
  return out.slice(0, at);
};

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
