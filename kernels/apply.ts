// The conv module at inference, a strip of rows at a time.
import { ConvStrip } from '../src/engine/abi';
import { convRow, writeTaps } from './conv-rows';
import { readRow } from './look-up';

const lead: usize = 16;

/** Puts input row `row`, −1 … rows, into its slot of the ring. */
function takeRow(s: ConvStrip, row: i32): void {
  const given = row + s.top;
  const height = s.top + s.rows + s.bottom;
  const bytes = <usize>(s.left + s.width + s.right) << 2;
  let out = slotOf(s, row) - (<usize>s.left << 2);
  let input = s.input + <usize>given * bytes;
  for (let band = 0; band < s.bands; band++) {
    if (given < 0 || given >= height) memory.fill(out, 0, bytes);
    else memory.copy(out, input, bytes);
    out += s.stride;
    input += <usize>height * bytes;
  }
}

/** `out = y + ReLU(scale·sum + shift)` of one row and band. */
export function residualRow(y: usize, sums: usize, scale: f32, shift: f32, width: i32, out: usize): void {
  const factor = f32x4.splat(scale), offset = f32x4.splat(shift), zero = f32x4.splat(0);
  const whole = <usize>(width & ~3) << 2, end = <usize>width << 2;
  let x: usize = 0;
  for (; x < whole; x += 16) {
    const a = f32x4.add(f32x4.mul(factor, v128.load(sums + x)), offset);
    v128.store(out + x, f32x4.add(v128.load(y + x), f32x4.pmax(a, zero)));
  }
  for (; x < end; x += 4) {
    const a = scale * load<f32>(sums + x) + shift;
    store<f32>(out + x, load<f32>(y + x) + (a < 0 ? 0 : a));
  }
}

/** Forgets all rows: what stays zero are the pads. */
function startStrip(s: ConvStrip): void { memory.fill(s.ring, 0, <usize>(3 * s.bands) * s.stride); }

/** Address of row `row` of the ring, its first pixel in the first band. */
@inline function slotOf(s: ConvStrip, row: i32): usize {
  return s.ring + lead + <usize>(((row + 3) % 3) * s.bands) * s.stride;
}

/** The sums of all channels of a row that is in the ring with its neighbours. */
function convolveRow(s: ConvStrip, row: i32): void {
  writeTaps(s.taps, slotOf(s, row - 1), slotOf(s, row), slotOf(s, row + 1), s.stride, s.bands);
  for (let block = 0; block < s.channels >> 2; block++)
    convRow(
      s.taps, 9 * s.bands, s.weights + (<usize>(block * s.bands * 9) << 6), s.zero, 0,
      s.sums + <usize>(block << 2) * s.rowBytes, s.rowBytes, s.rowBytes,
    );
}

/** `out = y + ReLU(scale·sum + shift)` of one band of a row of which the sums are there. */
@inline function residual(s: ConvStrip, row: i32, band: i32, out: usize): void {
  residualRow(
    slotOf(s, row) + <usize>band * s.stride, s.sums + <usize>band * s.rowBytes,
    load<f32>(s.scale + (<usize>band << 2)), load<f32>(s.shift + (<usize>band << 2)), s.width, out,
  );
}

/** The conv module on values: float32 in, float32 out. */
export function applyStrip(strip: usize): void {
  const s = changetype<ConvStrip>(strip);
  startStrip(s);
  takeRow(s, -1);
  takeRow(s, 0);
  for (let row = 0; row < s.rows; row++) {
    takeRow(s, row + 1);
    convolveRow(s, row);
    for (let band = 0; band < s.bands; band++)
      residual(s, row, band, s.output + (<usize>((band * s.rows + row) * s.width) << 2));
  }
}

/** Codes of input row `row` of a band, −1 … rows. */
@inline function codesOf(s: ConvStrip, band: i32, row: i32): usize {
  return s.input + (<usize>((band * (s.top + s.rows + s.bottom) + row + s.top) * (s.left + s.width + s.right)) << 1);
}

/** Puts what the tables say of input row `row` into its slot of the ring. */
function lookUpRow(s: ConvStrip, row: i32): void {
  const given = row >= -s.top && row < s.rows + s.bottom;
  const count = s.left + s.width + s.right;
  for (let band = 0; band < s.bands; band++) {
    const out = slotOf(s, row) + <usize>band * s.stride - (<usize>s.left << 2);
    if (given) readRow(s.tables + (<usize>band << 18), codesOf(s, band, row), count, out);
    else memory.fill(out, 0, <usize>count << 2);
  }
}

/** Rounds half up: the fraction is exact, or near 0 or 1. */
@inline function round(values: v128): v128 {
  const whole = f32x4.floor(values);
  const up = f32x4.ge(f32x4.sub(values, whole), f32x4.splat(0.5));
  return i32x4.trunc_sat_f32x4_s(f32x4.add(whole, v128.and(up, f32x4.splat(1))));
}

/**
 * Stores a row of values as 16-bit samples, in eights: rounded, held to the type's range, `beside` where that falls on
 * `nodata`, and `nodata` where the code is `empty` (none below 0).
 */
function storeRow(s: ConvStrip, values: usize, codes: usize, empty: i32, out: usize): void {
  const nodata = i16x8.splat(<i16>s.nodata), beside = i16x8.splat(<i16>s.beside), none = i16x8.splat(<i16>empty);
  for (let x: usize = 0; x < <usize>s.width << 1; x += 16) {
    const low = round(v128.load(values + (x << 1))), high = round(v128.load(values + (x << 1), 16));
    let stored = s.isSigned ? i16x8.narrow_i32x4_s(low, high) : i16x8.narrow_i32x4_u(low, high);
    if (s.hasNodata) stored = v128.bitselect(beside, stored, i16x8.eq(stored, nodata));
    if (empty >= 0) stored = v128.bitselect(nodata, stored, i16x8.eq(v128.load(codes + x), none));
    v128.store(out + x, stored);
  }
}

/** Tables, conv module and rounding in one go: 16-bit codes in, 16-bit samples out. */
export function alignStrip(strip: usize): void {
  const s = changetype<ConvStrip>(strip);
  startStrip(s);
  lookUpRow(s, -1);
  lookUpRow(s, 0);
  for (let row = 0; row < s.rows; row++) {
    lookUpRow(s, row + 1);
    convolveRow(s, row);
    for (let band = 0; band < s.bands; band++) {
      const values = s.sums + <usize>band * s.rowBytes;
      residual(s, row, band, values);
      storeRow(
        s, values, codesOf(s, band, row) + (<usize>s.left << 1), load<i32>(s.empty + (<usize>band << 2)),
        s.output + <usize>band * s.outputPlane + (<usize>(row * s.width) << 1),
      );
    }
  }
}
