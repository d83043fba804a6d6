// 3×3 convolutions, a row at a time. Rows are padded with zeros on both sides, their pixels 16-byte aligned and
// computed in eights; channels are computed in fours (missing ones have zero weights).

/**
 * Four output channels of one row: `out[o][x] = Σ weight[i][kh][kw][o]·row_kh[i][x + kw − 1]`, the taps added one by
 * one in the order i, kh, kw, whatever the row.
 *
 * @param above, here, below address of pixel 0 of input channel 0 in the three rows
 * @param channel bytes from one input channel to the next
 * @param weights [inputs, 3, 3, 4] float32
 * @param out address of pixel 0 of the first output channel
 * @param bytes bytes of a row, a multiple of 32
 */
export function convRow(
  above: usize, here: usize, below: usize, channel: usize, inputs: i32,
  weights: usize, out: usize, outChannel: usize, bytes: usize,
): void {
  for (let x: usize = 0; x < bytes; x += 32) {
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
    let b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    let weight = weights;
    let offset = x;
    for (let i = 0; i < inputs; i++) {
      for (let kh = 0; kh < 3; kh++) {
        const row = offset + (kh == 0 ? above : kh == 1 ? here : below);
        let p = v128.load(row - 4), q = v128.load(row + 12);
        let w = v128.load_splat<f32>(weight);
        a0 = f32x4.add(a0, f32x4.mul(w, p));
        b0 = f32x4.add(b0, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 4);
        a1 = f32x4.add(a1, f32x4.mul(w, p));
        b1 = f32x4.add(b1, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 8);
        a2 = f32x4.add(a2, f32x4.mul(w, p));
        b2 = f32x4.add(b2, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 12);
        a3 = f32x4.add(a3, f32x4.mul(w, p));
        b3 = f32x4.add(b3, f32x4.mul(w, q));

        p = v128.load(row), q = v128.load(row, 16);
        w = v128.load_splat<f32>(weight, 16);
        a0 = f32x4.add(a0, f32x4.mul(w, p));
        b0 = f32x4.add(b0, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 20);
        a1 = f32x4.add(a1, f32x4.mul(w, p));
        b1 = f32x4.add(b1, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 24);
        a2 = f32x4.add(a2, f32x4.mul(w, p));
        b2 = f32x4.add(b2, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 28);
        a3 = f32x4.add(a3, f32x4.mul(w, p));
        b3 = f32x4.add(b3, f32x4.mul(w, q));

        p = v128.load(row, 4), q = v128.load(row, 20);
        w = v128.load_splat<f32>(weight, 32);
        a0 = f32x4.add(a0, f32x4.mul(w, p));
        b0 = f32x4.add(b0, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 36);
        a1 = f32x4.add(a1, f32x4.mul(w, p));
        b1 = f32x4.add(b1, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 40);
        a2 = f32x4.add(a2, f32x4.mul(w, p));
        b2 = f32x4.add(b2, f32x4.mul(w, q));
        w = v128.load_splat<f32>(weight, 44);
        a3 = f32x4.add(a3, f32x4.mul(w, p));
        b3 = f32x4.add(b3, f32x4.mul(w, q));
        weight += 48;
      }
      offset += channel;
    }
    let at = out + x;
    v128.store(at, a0), v128.store(at, b0, 16);
    at += outChannel;
    v128.store(at, a1), v128.store(at, b1, 16);
    at += outChannel;
    v128.store(at, a2), v128.store(at, b2, 16);
    at += outChannel;
    v128.store(at, a3), v128.store(at, b3, 16);
  }
}

/**
 * Adds one row's part of the weights' gradient: `sums[t][o] += Σ_x dz[o][x]·y_t[x]`, four float32 lanes per sum.
 *
 * @param dz address of pixel 0 of the first of four output channels, `channel` bytes apart
 * @param taps addresses of the shifted input rows y_t, an even number of them
 * @param sums [tap] float32x4 × 4 outputs, `sumStride` bytes from tap to tap
 */
export function weightRow(
  dz: usize, channel: usize, taps: usize, tapCount: i32, sums: usize, sumStride: usize, bytes: usize,
): void {
  for (let t = 0; t < tapCount; t += 2) {
    const p = <usize>load<u32>(taps), q = <usize>load<u32>(taps, 4);
    taps += 8;
    const next = sums + sumStride;
    let a0 = v128.load(sums), a1 = v128.load(sums, 16), a2 = v128.load(sums, 32), a3 = v128.load(sums, 48);
    let b0 = v128.load(next), b1 = v128.load(next, 16), b2 = v128.load(next, 32), b3 = v128.load(next, 48);
    const dz1 = dz + channel, dz2 = dz1 + channel, dz3 = dz2 + channel;
    for (let x: usize = 0; x < bytes; x += 32) {
      let y = v128.load(p + x), u = v128.load(q + x);
      let d = v128.load(dz + x);
      a0 = f32x4.add(a0, f32x4.mul(d, y));
      b0 = f32x4.add(b0, f32x4.mul(d, u));
      d = v128.load(dz1 + x);
      a1 = f32x4.add(a1, f32x4.mul(d, y));
      b1 = f32x4.add(b1, f32x4.mul(d, u));
      d = v128.load(dz2 + x);
      a2 = f32x4.add(a2, f32x4.mul(d, y));
      b2 = f32x4.add(b2, f32x4.mul(d, u));
      d = v128.load(dz3 + x);
      a3 = f32x4.add(a3, f32x4.mul(d, y));
      b3 = f32x4.add(b3, f32x4.mul(d, u));

      y = v128.load(p + x, 16), u = v128.load(q + x, 16);
      d = v128.load(dz + x, 16);
      a0 = f32x4.add(a0, f32x4.mul(d, y));
      b0 = f32x4.add(b0, f32x4.mul(d, u));
      d = v128.load(dz1 + x, 16);
      a1 = f32x4.add(a1, f32x4.mul(d, y));
      b1 = f32x4.add(b1, f32x4.mul(d, u));
      d = v128.load(dz2 + x, 16);
      a2 = f32x4.add(a2, f32x4.mul(d, y));
      b2 = f32x4.add(b2, f32x4.mul(d, u));
      d = v128.load(dz3 + x, 16);
      a3 = f32x4.add(a3, f32x4.mul(d, y));
      b3 = f32x4.add(b3, f32x4.mul(d, u));
    }
    v128.store(sums, a0), v128.store(sums, a1, 16), v128.store(sums, a2, 32), v128.store(sums, a3, 48);
    v128.store(next, b0), v128.store(next, b1, 16), v128.store(next, b2, 32), v128.store(next, b3, 48);
    sums = next + sumStride;
  }
}
