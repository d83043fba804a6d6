// 3×3 convolutions, a row at a time. Rows are padded with zeros on both sides, their pixels 16-byte aligned and
// computed in eights; channels are computed in fours (missing ones have zero weights).
import { multiplyAdd } from './multiply-add';

// V8 moves all loads of a loop's body before its arithmetic and has 15 vector registers: with eight sums and six loads
// a body keeps all of them in registers, a longer one would spill.

/** Addresses of the rows of 3×3 taps, [inputs, 3, 3] u32: pixel x of tap t is at `taps[t] + 4·x`. */
export function writeTaps(taps: usize, above: usize, here: usize, below: usize, channel: usize, inputs: i32): void {
  for (let i = 0; i < inputs; i++) {
    for (let kw: usize = 0; kw < 3; kw++) {
      const shift = (kw << 2) - 4;
      store<u32>(taps + (kw << 2), <u32>(above + shift));
      store<u32>(taps + (kw << 2), <u32>(here + shift), 12);
      store<u32>(taps + (kw << 2), <u32>(below + shift), 24);
    }
    taps += 36;
    above += channel, here += channel, below += channel;
  }
}

/**
 * Four output channels of one row: `out[o][x] = start[o][x] + Σ_t weight[t][o]·y_t[x]`, the taps added one by one in
 * their order, whatever the row.
 *
 * @param taps addresses of the shifted input rows y_t
 * @param weights [tapCount, 4] float32, each four times
 * @param out address of pixel 0 of the first output channel
 * @param bytes bytes of a row, a multiple of 32
 */
export function convRow(
  taps: usize, tapCount: i32, weights: usize,
  start: usize, startChannel: usize, out: usize, outChannel: usize, bytes: usize,
): void {
  const end = taps + (<usize>tapCount << 2);
  for (let x: usize = 0; x < bytes; x += 32) {
    let at = start + x;
    let a0 = v128.load(at), b0 = v128.load(at, 16);
    at += startChannel;
    let a1 = v128.load(at), b1 = v128.load(at, 16);
    at += startChannel;
    let a2 = v128.load(at), b2 = v128.load(at, 16);
    at += startChannel;
    let a3 = v128.load(at), b3 = v128.load(at, 16);
    let weight = weights;
    for (let tap = taps; tap < end; tap += 4) {
      const row = <usize>load<u32>(tap) + x;
      const p = v128.load(row), q = v128.load(row, 16);
      const w0 = v128.load(weight), w1 = v128.load(weight, 16);
      a0 = multiplyAdd(w0, p, a0);
      b0 = multiplyAdd(w0, q, b0);
      a1 = multiplyAdd(w1, p, a1);
      b1 = multiplyAdd(w1, q, b1);
      const w2 = v128.load(weight, 32), w3 = v128.load(weight, 48);
      a2 = multiplyAdd(w2, p, a2);
      b2 = multiplyAdd(w2, q, b2);
      a3 = multiplyAdd(w3, p, a3);
      b3 = multiplyAdd(w3, q, b3);
      weight += 64;
    }
    at = out + x;
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
 * Adds one row's part of the weights' gradient: `sums[t][o] += Σ_x dz[x][o]·y_t[x]`, four float32 lanes per sum.
 *
 * @param dz four output channels side by side: [bytes / 16][4] vectors
 * @param taps addresses of the shifted input rows y_t, an even number of them
 * @param sums [tap] vectors of 4 outputs, `sumStride` bytes from tap to tap
 */
export function weightRow(
  dz: usize, taps: usize, tapCount: i32, sums: usize, sumStride: usize, bytes: usize,
): void {
  const end = dz + (bytes << 2);
  for (let t = 0; t < tapCount; t += 2) {
    let p = <usize>load<u32>(taps), q = <usize>load<u32>(taps, 4);
    taps += 8;
    const next = sums + sumStride;
    let a0 = v128.load(sums), a1 = v128.load(sums, 16), a2 = v128.load(sums, 32), a3 = v128.load(sums, 48);
    let b0 = v128.load(next), b1 = v128.load(next, 16), b2 = v128.load(next, 32), b3 = v128.load(next, 48);
    for (let at = dz; at < end; at += 64) {
      const y = v128.load(p), u = v128.load(q);
      const d0 = v128.load(at), d1 = v128.load(at, 16), d2 = v128.load(at, 32), d3 = v128.load(at, 48);
      a0 = multiplyAdd(d0, y, a0);
      b0 = multiplyAdd(d0, u, b0);
      a1 = multiplyAdd(d1, y, a1);
      b1 = multiplyAdd(d1, u, b1);
      a2 = multiplyAdd(d2, y, a2);
      b2 = multiplyAdd(d2, u, b2);
      a3 = multiplyAdd(d3, y, a3);
      b3 = multiplyAdd(d3, u, b3);
      p += 16, q += 16;
    }
    v128.store(sums, a0), v128.store(sums, a1, 16), v128.store(sums, a2, 32), v128.store(sums, a3, 48);
    v128.store(next, b0), v128.store(next, b1, 16), v128.store(next, b2, 32), v128.store(next, b3, 48);
    sums = next + sumStride;
  }
}
