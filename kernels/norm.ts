/**
 * Batch and group norm with ReLU over rows of positions, forward and backward. Columns are channels, padded to a
 * multiple of 4 by channels that stay zero. A segment is what shares statistics: all samples with batch norm, one
 * sample with group norm. Per segment and padded channel, `stats` holds mean, 1/√(variance + ε), γ/√(variance + ε) and
 * β, four vectors of `channels4` floats. A unit is `block` channels: a multiple of 4, and of whole groups.
 */

import { NormKind } from '../src/engine/abi';

/** Rows whose float32 sums are added to a float64 sum at a time. */
const run: i32 = 16;

// Sums of the column block at hand: two float64 vectors each.
let sumLow = f64x2.splat(0);
let sumHigh = f64x2.splat(0);
let otherLow = f64x2.splat(0);
let otherHigh = f64x2.splat(0);

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1));
}

// @ts-ignore: decorator
@inline
function storeSums(to: usize): void {
  v128.store(to, sumLow);
  v128.store(to, sumHigh, 16);
}

function clearSums(): void {
  sumLow = sumHigh = otherLow = otherHigh = f64x2.splat(0);
}

/** Adds Σ x of 4 columns over `rows` rows. */
function addColumns(rows: i32, x: usize, row: usize): void {
  let from = x;
  for (let first = 0; first < rows; first += run) {
    const count = min(run, rows - first);
    let c0 = f32x4.splat(0), c1 = f32x4.splat(0);
    let i = 0;
    for (; i + 2 <= count; i += 2) {
      c0 = f32x4.add(c0, v128.load(from));
      c1 = f32x4.add(c1, v128.load(from + row));
      from += row << 1;
    }
    if (i < count) {
      c0 = f32x4.add(c0, v128.load(from));
      from += row;
    }
    const c = f32x4.add(c0, c1);
    sumLow = f64x2.add(sumLow, f64x2.promote_low_f32x4(c));
    sumHigh = f64x2.add(sumHigh, high(c));
  }
}

/** Adds Σ (x − mean)² of 4 columns over `rows` rows. */
function addSquares(rows: i32, x: usize, row: usize, mean: v128): void {
  let from = x;
  for (let first = 0; first < rows; first += run) {
    const count = min(run, rows - first);
    let c0 = f32x4.splat(0), c1 = f32x4.splat(0);
    let i = 0;
    for (; i + 2 <= count; i += 2) {
      const d0 = f32x4.sub(v128.load(from), mean);
      const d1 = f32x4.sub(v128.load(from + row), mean);
      c0 = f32x4.add(c0, f32x4.mul(d0, d0));
      c1 = f32x4.add(c1, f32x4.mul(d1, d1));
      from += row << 1;
    }
    if (i < count) {
      const d0 = f32x4.sub(v128.load(from), mean);
      c0 = f32x4.add(c0, f32x4.mul(d0, d0));
      from += row;
    }
    const c = f32x4.add(c0, c1);
    sumLow = f64x2.add(sumLow, f64x2.promote_low_f32x4(c));
    sumHigh = f64x2.add(sumHigh, high(c));
  }
}

/** out[column] = Σ x over all rows of all samples, for four of the `channels` 4-padded columns. */
export function columnSumsUnit(
  unit: i32,
  samples: i32,
  rows: i32,
  channels: i32,
  x: usize,
  row: usize,
  sample: usize,
  out: usize,
  scratch: usize,
): void {
  const channel = unit << 2;
  clearSums();
  for (let s = 0; s < samples; s++) addColumns(rows, x + <usize>s * sample + (<usize>channel << 2), row);
  storeSums(scratch);
  for (let c = 0; c < min(4, channels - channel); c++)
    store<f32>(out + (<usize>(channel + c) << 2), <f32>load<f64>(scratch + (<usize>c << 3)));
}

/** Replaces the sums of channels `first` to `end` by their groups' sums. */
function poolGroups(first: i32, end: i32, size: i32, sums: usize): void {
  for (let group = first; group < end; group += size) {
    const start = sums + (<usize>group << 3);
    let total: f64 = 0;
    for (let c = 0; c < size; c++) total += load<f64>(start + (<usize>c << 3));
    for (let c = 0; c < size; c++) store<f64>(start + (<usize>c << 3), total);
  }
}

/**
 * out = ReLU(norm(y)). `running` (batch norm only) holds means, then variances; by batch, the moved ones are written
 * to `moved`. `scratch`: channels4 float64.
 */
export function normForwardUnit(
  unit: i32,
  block: i32,
  kind: i32,
  samples: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  y: usize,
  out: usize,
  outRow: usize,
  outSample: usize,
  gamma: usize,
  beta: usize,
  running: usize,
  moved: usize,
  stats: usize,
  epsilon: f64,
  momentum: f64,
  scratch: usize,
): void {
  const channels4 = (channels + 3) & ~3;
  const first = unit * block, end = min(first + block, channels);
  const firstColumn = <usize>first << 2, endColumn = <usize>min(first + block, channels4) << 2;
  const size = channels / groups;
  const row = <usize>channels4 << 2;
  const sample = <usize>rows * row;
  const segments = kind == NormKind.group ? samples : 1;
  const within = kind == NormKind.group ? 1 : samples;
  const count = <f64>(within * rows) * (kind == NormKind.group ? <f64>size : 1);
  for (let segment = 0; segment < segments; segment++) {
    const from = y + <usize>segment * sample;
    const mean = stats + <usize>segment * 4 * row;
    const inverse = mean + row;
    const scale = inverse + row;
    const shift = scale + row;
    if (kind == NormKind.running) {
      for (let c = first; c < end; c++) {
        const at = <usize>c << 2;
        store<f32>(mean + at, load<f32>(running + at));
        const variance = <f64>load<f32>(running + (<usize>channels << 2) + at);
        store<f32>(inverse + at, <f32>(1 / sqrt<f64>(variance + epsilon)));
      }
    } else {
      for (let c = firstColumn; c < endColumn; c += 16) {
        clearSums();
        for (let s = 0; s < within; s++) addColumns(rows, from + <usize>s * sample + c, row);
        storeSums(scratch + (c << 1));
      }
      if (kind == NormKind.group) poolGroups(first, end, size, scratch);
      for (let c = first; c < end; c++)
        store<f32>(mean + (<usize>c << 2), <f32>(load<f64>(scratch + (<usize>c << 3)) / count));
      for (let c = firstColumn; c < endColumn; c += 16) {
        clearSums();
        const centre = v128.load(mean + c);
        for (let s = 0; s < within; s++) addSquares(rows, from + <usize>s * sample + c, row, centre);
        storeSums(scratch + (c << 1));
      }
      if (kind == NormKind.group) poolGroups(first, end, size, scratch);
      for (let c = first; c < end; c++) {
        const at = <usize>c << 2;
        const squares = load<f64>(scratch + (<usize>c << 3));
        store<f32>(inverse + at, <f32>(1 / sqrt<f64>(squares / count + epsilon)));
        if (kind != NormKind.group) {
          const variances = <usize>channels << 2;
          const oldMean = <f64>load<f32>(running + at);
          const oldVariance = <f64>load<f32>(running + variances + at);
          store<f32>(moved + at, <f32>((1 - momentum) * oldMean + momentum * <f64>load<f32>(mean + at)));
          store<f32>(
            moved + variances + at,
            <f32>((1 - momentum) * oldVariance + (momentum * squares) / (count - 1)),
          );
        }
      }
    }
    for (let c = first; c < end; c++) {
      const at = <usize>c << 2;
      const factor = load<f32>(gamma + at) * load<f32>(inverse + at);
      store<f32>(scale + at, factor);
      store<f32>(shift + at, load<f32>(beta + at));
    }
    for (let s = 0; s < within; s++)
      for (let c = firstColumn; c < endColumn; c += 16) {
        const centre = v128.load(mean + c);
        const factor = v128.load(scale + c);
        const offset = v128.load(shift + c);
        let input = from + <usize>s * sample + c;
        let output = out + <usize>(segment + s) * outSample + c;
        for (let i = 0; i < rows; i++, input += row, output += outRow)
          v128.store(
            output,
            f32x4.max(
              f32x4.add(f32x4.mul(f32x4.sub(v128.load(input), centre), factor), offset),
              f32x4.splat(0),
            ),
          );
      }
  }
}

/** Adds Σ dz and Σ dz·(y − mean) of 4 columns, dz = dout where the norm's output is positive, else 0. */
function addSlopes(
  rows: i32,
  y: usize,
  dout: usize,
  row: usize,
  mean: v128,
  factor: v128,
  offset: v128,
): void {
  const zero = f32x4.splat(0);
  let at: usize = 0;
  for (let first = 0; first < rows; first += run) {
    const count = min(run, rows - first);
    let c = zero, d = zero;
    for (let i = 0; i < count; i++, at += row) {
      const centred = f32x4.sub(v128.load(y + at), mean);
      const positive = f32x4.gt(f32x4.add(f32x4.mul(centred, factor), offset), zero);
      const dz = v128.and(v128.load(dout + at), positive);
      c = f32x4.add(c, dz);
      d = f32x4.add(d, f32x4.mul(dz, centred));
    }
    sumLow = f64x2.add(sumLow, f64x2.promote_low_f32x4(c));
    sumHigh = f64x2.add(sumHigh, high(c));
    otherLow = f64x2.add(otherLow, f64x2.promote_low_f32x4(d));
    otherHigh = f64x2.add(otherHigh, high(d));
  }
}

/** dy = scale·dz + slope·(y − mean) + level, of 4 columns; adds Σ dy. */
function spread(
  rows: i32,
  y: usize,
  dout: usize,
  row: usize,
  dy: usize,
  mean: v128,
  factor: v128,
  offset: v128,
  slope: v128,
  level: v128,
): void {
  const zero = f32x4.splat(0);
  let at: usize = 0;
  for (let first = 0; first < rows; first += run) {
    const count = min(run, rows - first);
    let c = zero;
    for (let i = 0; i < count; i++, at += row) {
      const centred = f32x4.sub(v128.load(y + at), mean);
      const positive = f32x4.gt(f32x4.add(f32x4.mul(centred, factor), offset), zero);
      const dz = v128.and(v128.load(dout + at), positive);
      const result = f32x4.add(
        f32x4.mul(factor, dz),
        f32x4.add(f32x4.mul(slope, centred), level),
      );
      v128.store(dy + at, result);
      c = f32x4.add(c, result);
    }
    sumLow = f64x2.add(sumLow, f64x2.promote_low_f32x4(c));
    sumHigh = f64x2.add(sumHigh, high(c));
  }
}

/**
 * Gradient of {@link normForwardUnit}: `dy` (rows padded, `dySample` apart) from `dout`, and those of γ, β and of the
 * convolution's bias before the norm. `scratch`: 4·channels4 float64.
 */
export function normBackwardUnit(
  unit: i32,
  block: i32,
  kind: i32,
  samples: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  y: usize,
  dout: usize,
  dy: usize,
  dySample: usize,
  gamma: usize,
  stats: usize,
  dgamma: usize,
  dbeta: usize,
  dbias: usize,
  scratch: usize,
): void {
  const channels4 = (channels + 3) & ~3;
  const start = unit * block, end = min(start + block, channels), width = min(block, channels4 - start);
  const startColumn = <usize>start << 2, endColumn = startColumn + (<usize>width << 2);
  const size = channels / groups;
  const row = <usize>channels4 << 2;
  const sample = <usize>rows * row;
  const segments = kind == NormKind.group ? samples : 1;
  const within = kind == NormKind.group ? 1 : samples;
  const count = <f64>(within * rows) * (kind == NormKind.group ? <f64>size : 1);
  const first = scratch, second = scratch + (row << 1);
  const slopes = second + (row << 1), levels = slopes + row, biases = levels + row;
  memory.fill(slopes + startColumn, 0, <usize>width << 2);
  memory.fill(levels + startColumn, 0, <usize>width << 2);
  memory.fill(dgamma + startColumn, 0, <usize>(end - start) << 2);
  memory.fill(dbeta + startColumn, 0, <usize>(end - start) << 2);
  for (let segment = 0; segment < segments; segment++) {
    const from = <usize>segment * sample;
    const mean = stats + <usize>segment * 4 * row;
    const inverse = mean + row;
    const scale = inverse + row;
    const shift = scale + row;
    for (let c = startColumn; c < endColumn; c += 16) {
      clearSums();
      for (let s = 0; s < within; s++) {
        const at = from + <usize>s * sample + c;
        addSlopes(
          rows, y + at, dout + at, row, v128.load(mean + c), v128.load(scale + c), v128.load(shift + c),
        );
      }
      storeSums(first + (c << 1));
      v128.store(second + (c << 1), otherLow);
      v128.store(second + (c << 1), otherHigh, 16);
    }
    for (let c = start; c < end; c++) {
      const at = <usize>c << 2, at8 = <usize>c << 3;
      const weight = <f64>load<f32>(gamma + at);
      const total = load<f64>(first + at8);
      const product = load<f64>(second + at8) * <f64>load<f32>(inverse + at);
      store<f32>(dbeta + at, <f32>(<f64>load<f32>(dbeta + at) + total));
      store<f32>(dgamma + at, <f32>(<f64>load<f32>(dgamma + at) + product));
      store<f64>(first + at8, weight * total);
      store<f64>(second + at8, weight * product);
    }
    if (kind != NormKind.running) {
      if (kind == NormKind.group) {
        poolGroups(start, end, size, first);
        poolGroups(start, end, size, second);
      }
      for (let c = start; c < end; c++) {
        const at = <usize>c << 2, at8 = <usize>c << 3;
        const deviation = <f64>load<f32>(inverse + at);
        store<f32>(slopes + at, <f32>((-deviation * deviation * load<f64>(second + at8)) / count));
        store<f32>(levels + at, <f32>((-deviation * load<f64>(first + at8)) / count));
      }
    }
    for (let c = startColumn; c < endColumn; c += 16) {
      if (segment == 0) clearSums();
      else {
        sumLow = v128.load(biases + (c << 1));
        sumHigh = v128.load(biases + (c << 1), 16);
      }
      for (let s = 0; s < within; s++) {
        const at = from + <usize>s * sample + c;
        spread(
          rows, y + at, dout + at, row, dy + <usize>(segment + s) * dySample + c, v128.load(mean + c),
          v128.load(scale + c), v128.load(shift + c), v128.load(slopes + c), v128.load(levels + c),
        );
      }
      storeSums(biases + (c << 1));
    }
  }
  for (let c = start; c < end; c++)
    store<f32>(dbias + (<usize>c << 2), <f32>load<f64>(biases + (<usize>c << 3)));
}

/** out[i] = max(x[2i], x[2i+1]) over `rows` rows out of twice as many or one more; a unit is `block` channels. */
export function poolForwardUnit(
  unit: i32,
  block: i32,
  samples: i32,
  rows: i32,
  channels4: i32,
  x: usize,
  xRow: usize,
  xSample: usize,
  out: usize,
  outSample: usize,
): void {
  const row = <usize>channels4 << 2;
  const start = <usize>(unit * block) << 2, end = <usize>min((unit + 1) * block, channels4) << 2;
  for (let sample: usize = 0; sample < <usize>samples; sample++) {
    let from = x + sample * xSample;
    let to = out + sample * outSample;
    for (let i = 0; i < rows; i++, from += xRow << 1, to += row)
      for (let c = start; c < end; c += 16)
        v128.store(to + c, f32x4.max(v128.load(from + c), v128.load(from + xRow + c)));
  }
}

/**
 * Adds `dout` to the gradient `dx` of the larger of each pair, the first of equals; a unit is `block` channels. `dx` and
 * `dout` have no padding.
 */
export function poolBackwardUnit(
  unit: i32,
  block: i32,
  samples: i32,
  rows: i32,
  rowsBefore: i32,
  channels4: i32,
  x: usize,
  xRow: usize,
  xSample: usize,
  dout: usize,
  dx: usize,
): void {
  const row = <usize>channels4 << 2;
  const start = <usize>(unit * block) << 2, end = <usize>min((unit + 1) * block, channels4) << 2;
  for (let sample = 0; sample < samples; sample++) {
    let slope = dout + <usize>(sample * rows) * row;
    let from = x + <usize>sample * xSample;
    let to = dx + <usize>(sample * rowsBefore) * row;
    for (let i = 0; i < rows; i++, from += xRow << 1, to += row << 1, slope += row)
      for (let c = start; c < end; c += 16) {
        const d = v128.load(slope + c);
        const first = f32x4.ge(v128.load(from + c), v128.load(from + xRow + c));
        v128.store(to + c, f32x4.add(v128.load(to + c), v128.and(d, first)));
        v128.store(to + row + c, f32x4.add(v128.load(to + row + c), v128.andnot(d, first)));
      }
  }
}
