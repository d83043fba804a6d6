// Four interleaved bands of 16-bit samples, the usual scene: between a TIFF's blocks and a plane for each band.

/** Each half of a vector is a pixel: the first, and the sum of both. */
@inline function sumPair(pixels: v128): v128 {
  return i16x8.add(pixels, v128.shuffle<i64>(i64x2.splat(0), pixels, 0, 2));
}

/** The second pixel of two, twice. */
@inline function second(pixels: v128): v128 { return v128.shuffle<i64>(pixels, pixels, 1, 1); }

/**
 * Takes rows of interleaved pixels apart into planes `plane` bytes apart. Samples are `differences` to their neighbours on
 * the left (TIFF's predictor 2), or plain; arithmetic wraps as they do. Each plane is written up to 7 samples beyond its end.
 */
export function splitFour(
  pixels: usize, width: i32, rows: i32, differences: bool, out: usize, plane: usize,
): void {
  const rowBytes = <usize>width << 3;
  for (let row = 0; row < rows; row++) {
    let before = i64x2.splat(0);
    let to = out;
    // in eights; the last may reach into the next row, which then writes over what was wrong
    for (let at = pixels, end = pixels + rowBytes; at < end; at += 64, to += 16) {
      let p0 = v128.load(at), p1 = v128.load(at, 16), p2 = v128.load(at, 32), p3 = v128.load(at, 48);
      if (differences) {
        p0 = i16x8.add(sumPair(p0), before);
        p1 = i16x8.add(sumPair(p1), second(p0));
        p2 = i16x8.add(sumPair(p2), second(p1));
        p3 = i16x8.add(sumPair(p3), second(p2));
        before = second(p3);
      }
      const even01 = v128.shuffle<i16>(p0, p1, 0, 8, 1, 9, 2, 10, 3, 11);
      const odd01 = v128.shuffle<i16>(p0, p1, 4, 12, 5, 13, 6, 14, 7, 15);
      const even23 = v128.shuffle<i16>(p2, p3, 0, 8, 1, 9, 2, 10, 3, 11);
      const odd23 = v128.shuffle<i16>(p2, p3, 4, 12, 5, 13, 6, 14, 7, 15);
      const ab01 = v128.shuffle<i16>(even01, odd01, 0, 8, 1, 9, 2, 10, 3, 11);
      const cd01 = v128.shuffle<i16>(even01, odd01, 4, 12, 5, 13, 6, 14, 7, 15);
      const ab23 = v128.shuffle<i16>(even23, odd23, 0, 8, 1, 9, 2, 10, 3, 11);
      const cd23 = v128.shuffle<i16>(even23, odd23, 4, 12, 5, 13, 6, 14, 7, 15);
      v128.store(to, v128.shuffle<i64>(ab01, ab23, 0, 2));
      v128.store(to + plane, v128.shuffle<i64>(ab01, ab23, 1, 3));
      v128.store(to + 2 * plane, v128.shuffle<i64>(cd01, cd23, 0, 2));
      v128.store(to + 3 * plane, v128.shuffle<i64>(cd01, cd23, 1, 3));
    }
    pixels += rowBytes;
    out += <usize>width << 1;
  }
}

/** Differences of eight samples to their neighbours on the left, `before` holding the eight that precede. */
@inline function difference(samples: v128, before: v128): v128 {
  return i16x8.sub(samples, v128.shuffle<i16>(before, samples, 7, 8, 9, 10, 11, 12, 13, 14));
}

/**
 * Interleaves rows of four planes, `plane` bytes apart, as differences to the neighbours on the left. Rows of a plane are
 * `width` samples long, those of pixels 8·`width` bytes, and up to 56 bytes are written beyond the last.
 */
export function packFour(planes: usize, plane: usize, width: i32, rows: i32, out: usize): void {
  const rowBytes = <usize>width << 1;
  for (let row = 0; row < rows; row++) {
    let beforeA = i64x2.splat(0), beforeB = beforeA, beforeC = beforeA, beforeD = beforeA;
    let to = out;
    for (let at = planes, end = planes + rowBytes; at < end; at += 16, to += 64) {
      const a = v128.load(at), b = v128.load(at + plane);
      const c = v128.load(at + 2 * plane), d = v128.load(at + 3 * plane);
      const da = difference(a, beforeA), db = difference(b, beforeB);
      const dc = difference(c, beforeC), dd = difference(d, beforeD);
      beforeA = a, beforeB = b, beforeC = c, beforeD = d;
      const ab = v128.shuffle<i16>(da, db, 0, 8, 1, 9, 2, 10, 3, 11);
      const cd = v128.shuffle<i16>(dc, dd, 0, 8, 1, 9, 2, 10, 3, 11);
      const ab4 = v128.shuffle<i16>(da, db, 4, 12, 5, 13, 6, 14, 7, 15);
      const cd4 = v128.shuffle<i16>(dc, dd, 4, 12, 5, 13, 6, 14, 7, 15);
      v128.store(to, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5));
      v128.store(to, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), 16);
      v128.store(to, v128.shuffle<i32>(ab4, cd4, 0, 4, 1, 5), 32);
      v128.store(to, v128.shuffle<i32>(ab4, cd4, 2, 6, 3, 7), 48);
    }
    planes += rowBytes;
    out += rowBytes << 2;
  }
}
