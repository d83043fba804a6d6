/**
 * Matrix products over rows of positions. Addresses and strides are in bytes, counts in floats or rows. A row of a
 * convolution's input and its two neighbours lie side by side, so that a convolution of 3 is the product of
 * overlapping rows of 3·channels with a packed matrix.
 */
import { crossScratch } from '../src/engine/abi';
import { multiplyAdd } from './multiply-add';

/**
 * out[4, 8] = start + Σ over `steps` of a[4, step]·b[step, 8], or added to out. All arithmetic of the UNet but 5 % is
 * in this loop. It is not unrolled on purpose: V8 spills the sums of an unrolled body (12 instead of 17 G
 * multiply-adds/s on a core whose multipliers end at 23).
 */
// @ts-ignore: decorator
@inline
function tile(
  steps: i32,
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  out: usize,
  outRow: usize,
  start0: v128,
  start1: v128,
  add: bool,
): void {
  let a0 = a, a1 = a0 + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
  let c00 = start0, c01 = start1, c10 = start0, c11 = start1;
  let c20 = start0, c21 = start1, c30 = start0, c31 = start1;
  const end = b + <usize>steps * bStep;
  while (b < end) {
    const p0 = v128.load(b), p1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
    c00 = multiplyAdd(x, p0, c00);
    c01 = multiplyAdd(x, p1, c01);
    x = v128.load32_splat(a1);
    c10 = multiplyAdd(x, p0, c10);
    c11 = multiplyAdd(x, p1, c11);
    x = v128.load32_splat(a2);
    c20 = multiplyAdd(x, p0, c20);
    c21 = multiplyAdd(x, p1, c21);
    x = v128.load32_splat(a3);
    c30 = multiplyAdd(x, p0, c30);
    c31 = multiplyAdd(x, p1, c31);
    a0 += aStep;
    a1 += aStep;
    a2 += aStep;
    a3 += aStep;
    b += bStep;
  }
  const o1 = out + outRow, o2 = o1 + outRow, o3 = o2 + outRow;
  if (add) {
    c00 = f32x4.add(c00, v128.load(out));
    c01 = f32x4.add(c01, v128.load(out, 16));
    c10 = f32x4.add(c10, v128.load(o1));
    c11 = f32x4.add(c11, v128.load(o1, 16));
    c20 = f32x4.add(c20, v128.load(o2));
    c21 = f32x4.add(c21, v128.load(o2, 16));
    c30 = f32x4.add(c30, v128.load(o3));
    c31 = f32x4.add(c31, v128.load(o3, 16));
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(o1, c10);
  v128.store(o1, c11, 16);
  v128.store(o2, c20);
  v128.store(o2, c21, 16);
  v128.store(o3, c30);
  v128.store(o3, c31, 16);
}

// four uses of the loop, with as many steps known to the compiler as can be; exported, so that they are not inlined

/** Four rows, floats one behind the other, by a panel. */
export function rowsTile(
  k: i32,
  a: usize,
  aRow: usize,
  panel: usize,
  out: usize,
  outRow: usize,
  start0: v128,
  start1: v128,
): void {
  tile(k, a, aRow, 4, panel, 32, out, outRow, start0, start1, false);
}

/** Four packed columns by a panel. */
export function packedTile(rows: i32, a: usize, panel: usize, out: usize, outRow: usize, add: bool): void {
  const zero = f32x4.splat(0);
  tile(rows, a, 4, 16, panel, 32, out, outRow, zero, zero, add);
}

/** Four columns by eight where they lie. */
export function columnsTile(
  rows: i32,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  out: usize,
  outRow: usize,
  add: bool,
): void {
  const zero = f32x4.splat(0);
  tile(rows, a, 4, aStep, b, bStep, out, outRow, zero, zero, add);
}

/** Four columns where they lie by a panel, to a tile of its own. */
export function filteredTile(rows: i32, a: usize, aStep: usize, panel: usize, out: usize, add: bool): void {
  const zero = f32x4.splat(0);
  tile(rows, a, 4, aStep, panel, 32, out, 32, zero, zero, add);
}

/** One row by 8 columns, for the rows of samples shorter than 4. */
function rowProduct(k: i32, a: usize, panel: usize, out: usize, start0: v128, start1: v128): void {
  const end = panel + (<usize>k << 5);
  let c0 = start0, c1 = start1;
  let at = a;
  for (let b = panel; b < end; b += 32, at += 4) {
    const x = v128.load32_splat(at);
    c0 = multiplyAdd(x, v128.load(b), c0);
    c1 = multiplyAdd(x, v128.load(b, 16), c1);
  }
  v128.store(out, c0);
  v128.store(out, c1, 16);
}

/** out[rows, 4] = start + a[rows, k]·b[k, 4]. */
function fourColumns(
  rows: i32,
  k: i32,
  a: usize,
  aRow: usize,
  panel: usize,
  out: usize,
  outRow: usize,
  start: v128,
): void {
  const end = panel + (<usize>k << 4);
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    let a0 = a + <usize>row * aRow;
    let a1 = a0 + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
    let c0 = start, c1 = start, c2 = start, c3 = start;
    for (let b = panel; b < end; b += 16) {
      const p = v128.load(b);
      c0 = multiplyAdd(v128.load32_splat(a0), p, c0);
      c1 = multiplyAdd(v128.load32_splat(a1), p, c1);
      c2 = multiplyAdd(v128.load32_splat(a2), p, c2);
      c3 = multiplyAdd(v128.load32_splat(a3), p, c3);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    const o = out + <usize>row * outRow;
    v128.store(o, c0);
    v128.store(o + outRow, c1);
    v128.store(o + 2 * outRow, c2);
    v128.store(o + 3 * outRow, c3);
  }
  for (; row < rows; row++) {
    let at = a + <usize>row * aRow;
    let c = start;
    for (let b = panel; b < end; b += 16, at += 4) c = multiplyAdd(v128.load32_splat(at), v128.load(b), c);
    v128.store(out + <usize>row * outRow, c);
  }
}

// @ts-ignore: decorator
@inline
function startOf(bias: usize): v128 {
  return bias ? v128.load(bias) : f32x4.splat(0);
}

/**
 * out[row, j] = bias[j] + Σ a[row, i]·b[i, j] for all rows of a sample and the columns of a panel. `k` and `n` are
 * multiples of 4; b is packed in panels of 8 columns, [k][8], and one of 4 where n is no multiple of 8. `bias` 0: none.
 */
export function productUnit(
  unit: i32,
  samples: i32,
  rows: i32,
  k: i32,
  n: i32,
  a: usize,
  aRow: usize,
  aSample: usize,
  panels: usize,
  bias: usize,
  out: usize,
  outRow: usize,
  outSample: usize,
): void {
  const first = (unit / samples) << 3;
  const column = <usize>first << 2;
  const sample = <usize>(unit % samples);
  const panel = panels + column * <usize>k;
  const start = bias ? bias + column : 0;
  const from = a + sample * aSample;
  const to = out + sample * outSample + column;
  if (n - first < 8) return fourColumns(rows, k, from, aRow, panel, to, outRow, startOf(start));
  const start0 = startOf(start), start1 = startOf(start ? start + 16 : 0);
  if (rows < 4)
    for (let row: usize = 0; row < <usize>rows; row++)
      rowProduct(k, from + row * aRow, panel, to + row * outRow, start0, start1);
  else
    for (let row = 0; row < rows; row += 4) {
      // the last four rows may overlap those before: they are computed again, to the same bits
      const top = <usize>min(row, rows - 4);
      rowsTile(k, from + top * aRow, aRow, panel, to + top * outRow, outRow, start0, start1);
    }
}

/** Rows summed in registers before they are added to memory. */
const run: i32 = <i32>(crossScratch / 32);

/** Copies `count` rows of columns, `group` bytes (16 or 32), from `row` of `sample` on, one behind the other. */
function packColumns(
  count: i32,
  sample: i32,
  row: i32,
  rows: i32,
  x: usize,
  xRow: usize,
  xSample: usize,
  group: usize,
  to: usize,
): void {
  let left = count;
  let first = row;
  let base = x + <usize>sample * xSample;
  while (left > 0) {
    const here = min(left, rows - first);
    let at = base + <usize>first * xRow;
    const end = to + <usize>here * group;
    if (group == 16) for (; to < end; to += 16, at += xRow) v128.store(to, v128.load(at));
    else
      for (; to < end; to += 32, at += xRow) {
        v128.store(to, v128.load(at));
        v128.store(to, v128.load(at, 16), 16);
      }
    left -= here;
    first = 0;
    base += xSample;
  }
}

/** Packs four left columns of all rows of all samples, [m / 4][samples·rows][4]; a unit is four columns. */
export function packLeftUnit(
  unit: i32,
  samples: i32,
  rows: i32,
  left: usize,
  leftRow: usize,
  leftSample: usize,
  packed: usize,
): void {
  const total = samples * rows;
  const at = <usize>unit << 4;
  packColumns(total, 0, 0, rows, left + at, leftRow, leftSample, 16, packed + at * <usize>total);
}

/**
 * out[i, j] = Σ over all rows of all samples of left[row, i]·right[row, j]: the gradient of a packed matrix; a unit is
 * eight columns j. `m` is a multiple of 4; columns are rounded up to a multiple of 8 and `outRow` has room for them, as
 * has the end of `right`. `packed`: the left side as {@link packLeftUnit} packs it, or 0: both sides are read where they
 * lie. `scratch`: 32·{@link run} bytes.
 */
export function crossUnit(
  unit: i32,
  samples: i32,
  rows: i32,
  m: i32,
  left: usize,
  leftRow: usize,
  leftSample: usize,
  right: usize,
  rightRow: usize,
  rightSample: usize,
  out: usize,
  outRow: usize,
  packed: usize,
  scratch: usize,
): void {
  const column = <usize>unit << 5;
  const total = samples * rows;
  for (let first = 0, count = 0; first < total; first += count) {
    const sample = first / rows, row = first % rows;
    let o = out + column;
    if (packed) {
      count = min(run, total - first);
      packColumns(count, sample, row, rows, right + column, rightRow, rightSample, 32, scratch);
      let a = packed + (<usize>first << 4);
      for (let i = 0; i < m; i += 4, a += <usize>total << 4, o += outRow << 2)
        packedTile(count, a, scratch, o, outRow, first > 0);
    } else {
      count = min(run, rows - row);
      const b = right + column + <usize>sample * rightSample + <usize>row * rightRow;
      let a = left + <usize>sample * leftSample + <usize>row * leftRow;
      for (let i = 0; i < m; i += 4, a += 16, o += outRow << 2)
        columnsTile(count, a, leftRow, b, rightRow, o, outRow, first > 0);
    }
  }
}
