// Overviews of 16-bit samples: four pixels become one.

/**
 * Averages unsigned 16-bit samples two by two, rows and columns: the mean of those that are not `nodata`, rounded half up;
 * `beside` where that falls on `nodata`; `nodata` where all four are.
 *
 * @param width a multiple of 16
 * @param rows an even number
 * @param nodata below 0 there is none
 */
export function halve(source: usize, width: i32, rows: i32, nodata: i32, beside: i32, out: usize): void {
  for (let row = 0; row < rows; row += 2) {
    halveRow(source, source + (<usize>width << 1), width >> 1, nodata, beside, out);
    source += <usize>width << 2;
    out += <usize>width;
  }
}

function halveRow(top: usize, bottom: usize, width: i32, nodata: i32, beside: i32, out: usize): void {
  const hasNodata = nodata >= 0;
  const empty = i16x8.splat(<i16>nodata), instead = i16x8.splat(<i16>beside), two = i32x4.splat(2);
  for (let end = out + (<usize>width << 1); out < end; out += 16, top += 32, bottom += 32) {
    const t0 = v128.load(top), t1 = v128.load(top, 16), b0 = v128.load(bottom), b1 = v128.load(bottom, 16);
    const low = i32x4.add(i32x4.extadd_pairwise_i16x8_u(t0), i32x4.extadd_pairwise_i16x8_u(b0));
    const high = i32x4.add(i32x4.extadd_pairwise_i16x8_u(t1), i32x4.extadd_pairwise_i16x8_u(b1));
    let mean = i16x8.narrow_i32x4_u(
      i32x4.shr_u(i32x4.add(low, two), 2), i32x4.shr_u(i32x4.add(high, two), 2),
    );
    if (hasNodata) {
      const emptyT0 = i16x8.eq(t0, empty), emptyT1 = i16x8.eq(t1, empty);
      const emptyB0 = i16x8.eq(b0, empty), emptyB1 = i16x8.eq(b1, empty);
      if (v128.any_true(v128.or(v128.or(emptyT0, emptyT1), v128.or(emptyB0, emptyB1)))) {
        for (let i: usize = 0; i < 8; i++) halvePixel(top + (i << 2), bottom + (i << 2), nodata, beside, out + (i << 1));
        continue;
      }
      mean = v128.bitselect(instead, mean, i16x8.eq(mean, empty));
    }
    v128.store(out, mean);
  }
}

function halvePixel(top: usize, bottom: usize, nodata: i32, beside: i32, out: usize): void {
  const a = <i32>load<u16>(top), b = <i32>load<u16>(top, 2), c = <i32>load<u16>(bottom), d = <i32>load<u16>(bottom, 2);
  const left = <i32>(a == nodata) + <i32>(b == nodata) + <i32>(c == nodata) + <i32>(d == nodata);
  const count = 4 - left;
  // what is left out counted as zero
  const mean = count == 0 ? nodata : (2 * (a + b + c + d - left * nodata) + count) / (2 * count);
  store<u16>(out, <u16>(count > 0 && mean == nodata ? beside : mean));
}
