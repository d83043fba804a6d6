/**
 * Matrix products over rows of positions. All strides and counts of memory are in bytes, all others in floats or rows.
 * A row of a convolution's input and its two neighbours lie side by side, so that a convolution of 3 is the product of
 * overlapping rows of 3·channels with a packed matrix.
 */
import { multiplyAdd } from './multiply-add';

/** out[rows, 8] = bias + a[rows, k]·b[k, 8]; four rows at a time, the last four overlapping those before. */
// @ts-ignore: decorator
@inline
function eightColumns(
  rows: i32,
  k: i32,
  a: usize,
  aRow: usize,
  panel: usize,
  out: usize,
  outRow: usize,
  bias0: v128,
  bias1: v128,
): void {
  const bEnd = panel + (<usize>k << 5);
  if (rows < 4) {
    for (let i = 0; i < rows; i++) {
      let c0 = bias0, c1 = bias1;
      let x = a + <usize>i * aRow;
      for (let b = panel; b < bEnd; b += 32, x += 4) {
        const value = v128.load32_splat(x);
        c0 = multiplyAdd(value, v128.load(b), c0);
        c1 = multiplyAdd(value, v128.load(b, 16), c1);
      }
      v128.store(out + <usize>i * outRow, c0);
      v128.store(out + <usize>i * outRow, c1, 16);
    }
    return;
  }
  for (let row = 0; row < rows; row += 4) {
    if (row > rows - 4) row = rows - 4;
    let a0 = a + <usize>row * aRow;
    let a1 = a0 + aRow;
    let a2 = a1 + aRow;
    let a3 = a2 + aRow;
    let c00 = bias0, c01 = bias1, c10 = bias0, c11 = bias1;
    let c20 = bias0, c21 = bias1, c30 = bias0, c31 = bias1;
    let p0: v128, p1: v128, x: v128;
    for (let b = panel; b < bEnd; b += 128) {
      p0 = v128.load(b, 0);
      p1 = v128.load(b, 16);
      x = v128.load32_splat(a0, 0);
      c00 = multiplyAdd(x, p0, c00);
      c01 = multiplyAdd(x, p1, c01);
      x = v128.load32_splat(a1, 0);
      c10 = multiplyAdd(x, p0, c10);
      c11 = multiplyAdd(x, p1, c11);
      x = v128.load32_splat(a2, 0);
      c20 = multiplyAdd(x, p0, c20);
      c21 = multiplyAdd(x, p1, c21);
      x = v128.load32_splat(a3, 0);
      c30 = multiplyAdd(x, p0, c30);
      c31 = multiplyAdd(x, p1, c31);
      p0 = v128.load(b, 32);
      p1 = v128.load(b, 48);
      x = v128.load32_splat(a0, 4);
      c00 = multiplyAdd(x, p0, c00);
      c01 = multiplyAdd(x, p1, c01);
      x = v128.load32_splat(a1, 4);
      c10 = multiplyAdd(x, p0, c10);
      c11 = multiplyAdd(x, p1, c11);
      x = v128.load32_splat(a2, 4);
      c20 = multiplyAdd(x, p0, c20);
      c21 = multiplyAdd(x, p1, c21);
      x = v128.load32_splat(a3, 4);
      c30 = multiplyAdd(x, p0, c30);
      c31 = multiplyAdd(x, p1, c31);
      p0 = v128.load(b, 64);
      p1 = v128.load(b, 80);
      x = v128.load32_splat(a0, 8);
      c00 = multiplyAdd(x, p0, c00);
      c01 = multiplyAdd(x, p1, c01);
      x = v128.load32_splat(a1, 8);
      c10 = multiplyAdd(x, p0, c10);
      c11 = multiplyAdd(x, p1, c11);
      x = v128.load32_splat(a2, 8);
      c20 = multiplyAdd(x, p0, c20);
      c21 = multiplyAdd(x, p1, c21);
      x = v128.load32_splat(a3, 8);
      c30 = multiplyAdd(x, p0, c30);
      c31 = multiplyAdd(x, p1, c31);
      p0 = v128.load(b, 96);
      p1 = v128.load(b, 112);
      x = v128.load32_splat(a0, 12);
      c00 = multiplyAdd(x, p0, c00);
      c01 = multiplyAdd(x, p1, c01);
      x = v128.load32_splat(a1, 12);
      c10 = multiplyAdd(x, p0, c10);
      c11 = multiplyAdd(x, p1, c11);
      x = v128.load32_splat(a2, 12);
      c20 = multiplyAdd(x, p0, c20);
      c21 = multiplyAdd(x, p1, c21);
      x = v128.load32_splat(a3, 12);
      c30 = multiplyAdd(x, p0, c30);
      c31 = multiplyAdd(x, p1, c31);
      a0 += 16;
      a1 += 16;
      a2 += 16;
      a3 += 16;
    }
    let o = out + <usize>row * outRow;
    v128.store(o, c00);
    v128.store(o, c01, 16);
    o += outRow;
    v128.store(o, c10);
    v128.store(o, c11, 16);
    o += outRow;
    v128.store(o, c20);
    v128.store(o, c21, 16);
    o += outRow;
    v128.store(o, c30);
    v128.store(o, c31, 16);
  }
}

/** out[rows, 4] = bias + a[rows, k]·b[k, 4]. */
function fourColumns(
  rows: i32,
  k: i32,
  a: usize,
  aRow: usize,
  panel: usize,
  out: usize,
  outRow: usize,
  bias: v128,
): void {
  const bEnd = panel + (<usize>k << 4);
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    let a0 = a + <usize>row * aRow;
    let a1 = a0 + aRow;
    let a2 = a1 + aRow;
    let a3 = a2 + aRow;
    let c0 = bias, c1 = bias, c2 = bias, c3 = bias;
    for (let b = panel; b < bEnd; b += 16) {
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
    let x = a + <usize>row * aRow;
    let c = bias;
    for (let b = panel; b < bEnd; b += 16, x += 4) c = multiplyAdd(v128.load32_splat(x), v128.load(b), c);
    v128.store(out + <usize>row * outRow, c);
  }
}

/**
 * out[row, j] = bias[j] + Σ a[row, i]·b[i, j] for all rows of all samples. `k` and `n` are multiples of 4; b is packed
 * in panels of 8 columns, [k][8], and one of 4 where n is no multiple of 8. `bias` 0: none.
 */
export function product(
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
  let panel = panels;
  let column: usize = 0;
  const width = <usize>n << 2;
  for (; column + 32 <= width; column += 32, panel += <usize>k << 5) {
    const bias0 = bias ? v128.load(bias + column) : f32x4.splat(0);
    const bias1 = bias ? v128.load(bias + column, 16) : f32x4.splat(0);
    for (let s = 0; s < samples; s++)
      eightColumns(
        rows, k, a + <usize>s * aSample, aRow, panel, out + <usize>s * outSample + column, outRow, bias0, bias1,
      );
  }
  if (column < width) {
    const bias0 = bias ? v128.load(bias + column) : f32x4.splat(0);
    for (let s = 0; s < samples; s++)
      fourColumns(
        rows, k, a + <usize>s * aSample, aRow, panel, out + <usize>s * outSample + column, outRow, bias0,
      );
  }
}

/** Rows that {@link crossProduct} sums in registers before it adds them to memory: they fit the first-level cache. */
const run: i32 = 512;

/** Floats of scratch that {@link crossProduct} needs for `m` left columns. */
export function crossProductScratch(m: i32): i32 {
  return run * (m + 8);
}

/** out[4, 8] (+)= Σ over rows of left[row, 4]ᵀ·right[row, 8]; both contiguous, rows a multiple of 4. */
// @ts-ignore: decorator
@inline
function fourByEight(rows: i32, left: usize, right: usize, out: usize, outRow: usize, add: bool): void {
  const end = right + (<usize>rows << 5);
  const zero = f32x4.splat(0);
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero;
  let p0: v128, p1: v128, x: v128;
  let l = left;
  for (let r = right; r < end; r += 128) {
    p0 = v128.load(r, 0);
    p1 = v128.load(r, 16);
    x = v128.load32_splat(l, 0);
    c00 = multiplyAdd(x, p0, c00);
    c01 = multiplyAdd(x, p1, c01);
    x = v128.load32_splat(l, 4);
    c10 = multiplyAdd(x, p0, c10);
    c11 = multiplyAdd(x, p1, c11);
    x = v128.load32_splat(l, 8);
    c20 = multiplyAdd(x, p0, c20);
    c21 = multiplyAdd(x, p1, c21);
    x = v128.load32_splat(l, 12);
    c30 = multiplyAdd(x, p0, c30);
    c31 = multiplyAdd(x, p1, c31);
    p0 = v128.load(r, 32);
    p1 = v128.load(r, 48);
    x = v128.load32_splat(l, 16);
    c00 = multiplyAdd(x, p0, c00);
    c01 = multiplyAdd(x, p1, c01);
    x = v128.load32_splat(l, 20);
    c10 = multiplyAdd(x, p0, c10);
    c11 = multiplyAdd(x, p1, c11);
    x = v128.load32_splat(l, 24);
    c20 = multiplyAdd(x, p0, c20);
    c21 = multiplyAdd(x, p1, c21);
    x = v128.load32_splat(l, 28);
    c30 = multiplyAdd(x, p0, c30);
    c31 = multiplyAdd(x, p1, c31);
    p0 = v128.load(r, 64);
    p1 = v128.load(r, 80);
    x = v128.load32_splat(l, 32);
    c00 = multiplyAdd(x, p0, c00);
    c01 = multiplyAdd(x, p1, c01);
    x = v128.load32_splat(l, 36);
    c10 = multiplyAdd(x, p0, c10);
    c11 = multiplyAdd(x, p1, c11);
    x = v128.load32_splat(l, 40);
    c20 = multiplyAdd(x, p0, c20);
    c21 = multiplyAdd(x, p1, c21);
    x = v128.load32_splat(l, 44);
    c30 = multiplyAdd(x, p0, c30);
    c31 = multiplyAdd(x, p1, c31);
    p0 = v128.load(r, 96);
    p1 = v128.load(r, 112);
    x = v128.load32_splat(l, 48);
    c00 = multiplyAdd(x, p0, c00);
    c01 = multiplyAdd(x, p1, c01);
    x = v128.load32_splat(l, 52);
    c10 = multiplyAdd(x, p0, c10);
    c11 = multiplyAdd(x, p1, c11);
    x = v128.load32_splat(l, 56);
    c20 = multiplyAdd(x, p0, c20);
    c21 = multiplyAdd(x, p1, c21);
    x = v128.load32_splat(l, 60);
    c30 = multiplyAdd(x, p0, c30);
    c31 = multiplyAdd(x, p1, c31);
    l += 64;
  }
  const o0 = out, o1 = out + outRow, o2 = o1 + outRow, o3 = o2 + outRow;
  if (add) {
    c00 = f32x4.add(c00, v128.load(o0));
    c01 = f32x4.add(c01, v128.load(o0, 16));
    c10 = f32x4.add(c10, v128.load(o1));
    c11 = f32x4.add(c11, v128.load(o1, 16));
    c20 = f32x4.add(c20, v128.load(o2));
    c21 = f32x4.add(c21, v128.load(o2, 16));
    c30 = f32x4.add(c30, v128.load(o3));
    c31 = f32x4.add(c31, v128.load(o3, 16));
  }
  v128.store(o0, c00);
  v128.store(o0, c01, 16);
  v128.store(o1, c10);
  v128.store(o1, c11, 16);
  v128.store(o2, c20);
  v128.store(o2, c21, 16);
  v128.store(o3, c30);
  v128.store(o3, c31, 16);
}

/**
 * out[i, j] = Σ over all rows of all samples of left[row, i]·right[row, j]: the gradient of a packed matrix. `m` is a
 * multiple of 4; `n` is rounded up to a multiple of 8 and `outRow` has room for it, as has the end of `right`.
 */
export function crossProduct(
  samples: i32,
  rows: i32,
  m: i32,
  n: i32,
  left: usize,
  leftRow: usize,
  leftSample: usize,
  right: usize,
  rightRow: usize,
  rightSample: usize,
  out: usize,
  outRow: usize,
  scratch: usize,
): void {
  const total = samples * rows;
  const panel = scratch + <usize>run * <usize>m * 4;
  const zero = f32x4.splat(0);
  for (let first = 0; first < total; first += run) {
    const count = min(run, total - first);
    const padded = (count + 3) & ~3;
    const tile = <usize>padded << 4;
    let sample = first / rows;
    let row = first % rows;
    for (let i = 0; i < padded; i++) {
      const to = scratch + (<usize>i << 4);
      if (i < count) {
        const from = left + <usize>sample * leftSample + <usize>row * leftRow;
        for (let column: usize = 0, at = to; column < <usize>m << 2; column += 16, at += tile)
          v128.store(at, v128.load(from + column));
        if (++row == rows) {
          row = 0;
          sample++;
        }
      } else for (let column: usize = 0, at = to; column < <usize>m << 2; column += 16, at += tile) v128.store(at, zero);
    }
    for (let column: usize = 0; column < <usize>n << 2; column += 32) {
      sample = first / rows;
      row = first % rows;
      let from = right + <usize>sample * rightSample + <usize>row * rightRow + column;
      let to = panel;
      for (let i = 0; i < count; i++, to += 32) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        from += rightRow;
        if (++row == rows) {
          row = 0;
          sample++;
          from = right + <usize>sample * rightSample + column;
        }
      }
      for (let i = count; i < padded; i++, to += 32) {
        v128.store(to, zero);
        v128.store(to, zero, 16);
      }
      let o = out + column;
      for (let i = 0, at = scratch; i < m; i += 4, at += tile, o += outRow << 2)
        fourByEight(padded, at, panel, o, outRow, first > 0);
    }
  }
}
