/**
 * Minimal filtering F(2, 3): two neighbouring outputs of a convolution of 3 from four inputs by four multiplications
 * instead of six (Winograd, Arithmetic complexity of computations, 1980; Lavin & Gray, Fast algorithms for convolutional
 * neural networks, 2016). With inputs d, weights g and outputs y:
 *
 *     v = d0 − d2, d1 + d2, d2 − d1, d1 − d3        u = g0, (g0 + g1 + g2) / 2, (g0 − g1 + g2) / 2, g2
 *     m = u·v, each summed over the channels        y = m0 + m1 + m2, m1 − m2 − m3
 *
 * Read backwards it gives the gradient by the weights from the gradient by the outputs, again by four multiplications:
 *
 *     w = dy0, dy0 + dy1, dy0 − dy1, −dy1           m = v·w, each summed over all pairs of outputs
 *     dg = m0 + (m1 + m2) / 2, (m1 − m2) / 2, (m1 + m2) / 2 + m3
 *
 * Filtered rows are four planes, v0 to v3, of a row for each pair of positions of all samples, [pairs][channels], `row`
 * bytes apart; an odd length's last pair has a second output that is left out. Channels are multiples of 4. The sums over
 * channels and pairs are products of matrices (kernels/matrix.ts).
 */
import { filteredRun } from '../src/engine/abi';
import { filteredTile, rowsTile } from './matrix';
import { storeColumns } from './pack';

/** Bytes of four rows or columns by eight. */
const tileBytes: usize = 128;

/** v of the rows of all samples, for a block of channels. `x` is the zero row before the first, as it lies before and after each sample. */
export function filterRowsUnit(
  unit: i32,
  block: i32,
  samples: i32,
  rows: i32,
  channels: i32,
  x: usize,
  xRow: usize,
  xSample: usize,
  out: usize,
  outRow: usize,
  outPlane: usize,
): void {
  const end = <usize>min((unit + 1) * block, channels) << 2;
  for (let c = <usize>(unit * block) << 2; c < end; c += 16) {
    let to = out + c;
    for (let sample = 0; sample < samples; sample++) {
      let from = x + <usize>sample * xSample + c;
      let d0 = v128.load(from), d1 = v128.load(from + xRow);
      for (let i = 0; i < rows; i += 2, to += outRow) {
        from += xRow << 1;
        const d2 = v128.load(from);
        const d3 = i + 1 < rows ? v128.load(from + xRow) : f32x4.splat(0);
        v128.store(to, f32x4.sub(d0, d2));
        v128.store(to + outPlane, f32x4.add(d1, d2));
        v128.store(to + 2 * outPlane, f32x4.sub(d2, d1));
        v128.store(to + 3 * outPlane, f32x4.sub(d1, d3));
        d0 = d2;
        d1 = d3;
      }
    }
  }
}

/** Completes u1 and u2 of a panel, [4][k][8], whose second part holds g1. */
function mixWeights(k: i32, panel: usize): void {
  const plane = <usize>k << 5;
  const half = f32x4.splat(0.5);
  for (let at = panel, end = panel + plane; at < end; at += 16) {
    const outer = f32x4.mul(half, f32x4.add(v128.load(at), v128.load(at + 3 * plane)));
    const inner = f32x4.mul(half, v128.load(at + plane));
    v128.store(at + plane, f32x4.add(outer, inner));
    v128.store(at + 2 * plane, f32x4.sub(outer, inner));
  }
}

/** u of weight [output, input, 3] for eight outputs: a panel [4][input][8]. */
export function filterWeightsUnit(unit: i32, weight: usize, input: i32, panels: usize): void {
  const from = <usize>input * 12;
  const plane = <usize>input << 5;
  const panel = panels + (<usize>unit * plane << 2);
  for (let o: usize = 0; o < 8; o += 4) {
    let at = panel + (o << 2);
    let w0 = weight + (<usize>unit * 8 + o) * from;
    for (let c = 0; c < input; c += 4, w0 += 48, at += 128) {
      const w1 = w0 + from, w2 = w1 + from, w3 = w2 + from;
      const last = at + 3 * plane;
      storeColumns(
        v128.load(w0), v128.load(w1), v128.load(w2), v128.load(w3),
        at, at + plane, last, at + 32,
      );
      storeColumns(
        v128.load(w0, 16), v128.load(w1, 16), v128.load(w2, 16), v128.load(w3, 16),
        at + plane + 32, last + 32, at + 64, at + plane + 64,
      );
      storeColumns(
        v128.load(w0, 32), v128.load(w1, 32), v128.load(w2, 32), v128.load(w3, 32),
        last + 64, at + 96, at + plane + 96, last + 96,
      );
    }
  }
  mixWeights(input, panel);
}

/**
 * The same to carry a gradient back to eight of the inputs from `first` on: the taps turned round, a panel
 * [4][output][8].
 */
export function filterWeightsBackUnit(
  unit: i32,
  weight: usize,
  output: i32,
  input: i32,
  first: i32,
  panels: usize,
): void {
  const from = <usize>input * 12;
  const plane = <usize>output << 5;
  const panel = panels + (<usize>unit * plane << 2);
  for (let c: usize = 0; c < 8; c += 4) {
    let at = panel + (c << 2);
    let w = weight + (<usize>(first + unit * 8) + c) * 12;
    for (let o = 0; o < output; o++, w += from, at += 32) {
      const x = v128.load(w), y = v128.load(w, 16), z = v128.load(w, 32);
      v128.store(at + 3 * plane, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 0, 3, 6, 0), z, 0, 1, 2, 5));
      v128.store(at + plane, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 1, 4, 7, 0), z, 0, 1, 2, 6));
      v128.store(at, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 2, 5, 0, 0), z, 0, 1, 4, 7));
    }
  }
  mixWeights(output, panel);
}

/**
 * out[row, j] = bias[j] + the convolution of filtered rows of `k` channels with `panels`; a unit is `stretch` pairs, a
 * multiple of 4, of one panel, of which there are `stretches`. `bias` 0: none. `scratch`: 4 tiles.
 */
export function filteredProductUnit(
  unit: i32,
  stretch: i32,
  stretches: i32,
  samples: i32,
  rows: i32,
  k: i32,
  filtered: usize,
  row: usize,
  plane: usize,
  panels: usize,
  bias: usize,
  out: usize,
  outRow: usize,
  outSample: usize,
  scratch: usize,
): void {
  const column = <usize>(unit / stretches) << 5;
  const panelPlane = <usize>k << 5;
  const panel = panels + (<usize>(unit / stretches) * panelPlane << 2);
  const zero = f32x4.splat(0);
  const start0 = bias ? v128.load(bias + column) : zero, start1 = bias ? v128.load(bias + column, 16) : zero;
  const pairs = (rows + 1) >> 1;
  const first = (unit % stretches) * stretch, end = min(first + stretch, samples * pairs);
  let pair = first % pairs;
  let sample = out + <usize>(first / pairs) * outSample + column;
  for (let top = first; top < end; top += 4) {
    let v = filtered + <usize>top * row;
    rowsTile(k, v, row, panel, scratch, 32, zero, zero);
    rowsTile(k, v + plane, row, panel + panelPlane, scratch + tileBytes, 32, start0, start1);
    rowsTile(k, v + 2 * plane, row, panel + 2 * panelPlane, scratch + 2 * tileBytes, 32, zero, zero);
    rowsTile(k, v + 3 * plane, row, panel + 3 * panelPlane, scratch + 3 * tileBytes, 32, zero, zero);
    const last = scratch + (<usize>min(4, end - top) << 5);
    for (let m = scratch; m < last; m += 32) {
      const to = sample + <usize>(2 * pair) * outRow;
      const a1 = v128.load(m, tileBytes), b1 = v128.load(m, tileBytes + 16);
      const a2 = v128.load(m, 2 * tileBytes), b2 = v128.load(m, 2 * tileBytes + 16);
      v128.store(to, f32x4.add(v128.load(m), f32x4.add(a1, a2)));
      v128.store(to, f32x4.add(v128.load(m, 16), f32x4.add(b1, b2)), 16);
      if (2 * pair + 1 < rows) {
        v128.store(to + outRow, f32x4.sub(f32x4.sub(a1, a2), v128.load(m, 3 * tileBytes)));
        v128.store(to + outRow, f32x4.sub(f32x4.sub(b1, b2), v128.load(m, 3 * tileBytes + 16)), 16);
      }
      if (++pair == pairs) {
        pair = 0;
        sample += outSample;
      }
    }
  }
}

/** w of eight columns of `count` pairs from `pair` of `sample` on, planes [filteredRun][8]. */
function filterSlopes(
  count: i32,
  sample: i32,
  pair: i32,
  pairs: i32,
  dy: usize,
  dyRow: usize,
  dySample: usize,
  to: usize,
): void {
  const plane = <usize>filteredRun << 5;
  let left = count, first = pair;
  let base = dy + <usize>sample * dySample;
  let at = to;
  while (left > 0) {
    const here = min(left, pairs - first);
    let from = base + <usize>(2 * first) * dyRow;
    for (const end = at + (<usize>here << 5); at < end; at += 32, from += dyRow << 1)
      for (let c: usize = 0; c < 32; c += 16) {
        const dy0 = v128.load(from + c), dy1 = v128.load(from + dyRow + c);
        v128.store(at + c, dy0);
        v128.store(at + plane + c, f32x4.add(dy0, dy1));
        v128.store(at + 2 * plane + c, f32x4.sub(dy0, dy1));
        v128.store(at + 3 * plane + c, f32x4.neg(dy1));
      }
    left -= here;
    first = 0;
    base += dySample;
  }
}

/** dg of four inputs and eight outputs from m, [4][4 inputs][8 outputs], to where they lie in [output, input, 3]. */
function storeSlopes(m: usize, to: usize, outputRow: usize): void {
  const half = f32x4.splat(0.5);
  // in place: a tap takes the place of one of its inputs' four sums
  for (let at = m, end = m + tileBytes; at < end; at += 16) {
    const m1 = v128.load(at, tileBytes), m2 = v128.load(at, 2 * tileBytes);
    const sum = f32x4.mul(half, f32x4.add(m1, m2));
    v128.store(at, f32x4.add(v128.load(at), sum));
    v128.store(at, f32x4.mul(half, f32x4.sub(m1, m2)), tileBytes);
    v128.store(at, f32x4.add(sum, v128.load(at, 3 * tileBytes)), 2 * tileBytes);
  }
  for (let o: usize = 0; o < 8; o += 4) {
    const at = m + (o << 2);
    const to0 = to + o * outputRow, to1 = to0 + outputRow, to2 = to1 + outputRow, to3 = to2 + outputRow;
    storeColumns(
      v128.load(at), v128.load(at, tileBytes), v128.load(at, 2 * tileBytes), v128.load(at, 32),
      to0, to1, to2, to3,
    );
    storeColumns(
      v128.load(at, tileBytes + 32), v128.load(at, 2 * tileBytes + 32), v128.load(at, 64), v128.load(at, tileBytes + 64),
      to0 + 16, to1 + 16, to2 + 16, to3 + 16,
    );
    storeColumns(
      v128.load(at, 2 * tileBytes + 64), v128.load(at, 96), v128.load(at, tileBytes + 96), v128.load(at, 2 * tileBytes + 96),
      to0 + 32, to1 + 32, to2 + 32, to3 + 32,
    );
  }
}

/**
 * Gradient of weight [output, input, 3] for eight outputs, from the filtered rows of the input and the gradient `dy` by
 * the outputs, which has a zero row behind each sample. `scratch`: 128·filteredRun + 128·input bytes.
 */
export function filteredCrossUnit(
  unit: i32,
  samples: i32,
  rows: i32,
  input: i32,
  filtered: usize,
  row: usize,
  plane: usize,
  dy: usize,
  dyRow: usize,
  dySample: usize,
  dweight: usize,
  scratch: usize,
): void {
  const pairs = (rows + 1) >> 1;
  const total = samples * pairs;
  const slopePlane = <usize>filteredRun << 5;
  const sums = scratch + 4 * slopePlane;
  const outputRow = <usize>input * 12;
  const to = dweight + <usize>unit * 8 * outputRow;
  for (let first = 0, count = 0; first < total; first += count) {
    count = min(filteredRun, total - first);
    filterSlopes(count, first / pairs, first % pairs, pairs, dy + (<usize>unit << 5), dyRow, dySample, scratch);
    let v = filtered + <usize>first * row;
    let m = sums;
    for (let c = 0; c < input; c += 4, v += 16, m += 4 * tileBytes) {
      for (let i: usize = 0; i < 4; i++)
        filteredTile(count, v + i * plane, row, scratch + i * slopePlane, m + i * tileBytes, first > 0);
      if (first + count == total) storeSlopes(m, to + <usize>c * 12, outputRow);
    }
  }
}
