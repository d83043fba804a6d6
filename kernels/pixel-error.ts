// The loss of LUT and conv module, and its gradient, in three passes over strips of rows (a unit is one strip of one
// sample). The host writes the plan, runs a pass over all units, combines their sums in unit order, and goes on.
import { errorSumsAt, pairedTaps, PixelPlan, weightSumsAt } from '../src/engine/abi';
import { convRow, weightRow, writeTaps } from './conv-rows';
import { addRow, clipRow, readRow } from './look-up';

// A thread's scratch memory, in this order; zero when the plan is made. scratchBytes() is its size.
// index, mask: a row; error: two rows; conv: z or dy of a row; beside: dz of two rows, four channels side by side;
// zero: a row of zeros; ring: dz of three rows, zero-padded; taps: addresses; lanes: the weights' gradient.
@inline function indexAt(): usize { return 0; }
@inline function maskAt(p: PixelPlan): usize { return p.rowBytes; }
@inline function errorAt(p: PixelPlan): usize { return 2 * p.rowBytes; }
@inline function convAt(p: PixelPlan): usize { return errorAt(p) + <usize>(2 * p.channels) * p.rowBytes; }
@inline function besideAt(p: PixelPlan): usize { return convAt(p) + <usize>p.channels * p.rowBytes; }
@inline function zeroAt(p: PixelPlan): usize { return besideAt(p) + <usize>(2 * p.channels) * p.rowBytes; }
@inline function ringAt(p: PixelPlan): usize { return zeroAt(p) + p.rowBytes; }
@inline function tapsAt(p: PixelPlan): usize { return ringAt(p) + <usize>(3 * p.channels) * p.stride; }
@inline function lanesAt(p: PixelPlan): usize {
  return (tapsAt(p) + (<usize>pairedTaps(p.bands) << 2) + 15) & ~15;
}

export function scratchBytes(plan: usize): usize {
  const p = changetype<PixelPlan>(plan);
  return lanesAt(p) + (<usize>(pairedTaps(p.bands) * p.channels) << 4);
}

/** Bytes of zeros before pixel 0 of a padded row. */
const lead: usize = 16;

@inline function word(array: usize, index: i32): usize {
  return <usize>load<u32>(array + (<usize>index << 2));
}

@inline function total(lanes: v128): f64 {
  return (<f64>f32x4.extract_lane(lanes, 0) + <f64>f32x4.extract_lane(lanes, 1)) +
    (<f64>f32x4.extract_lane(lanes, 2) + <f64>f32x4.extract_lane(lanes, 3));
}

@inline function addTo(address: usize, value: f64): void {
  store<f64>(address, load<f64>(address) + value);
}

@inline function yRow(p: PixelPlan, sample: i32, row: i32): usize {
  return p.y + <usize>(sample * p.bands) * p.yPlane + <usize>(row + 1) * p.stride + lead;
}

@inline function zRow(p: PixelPlan, sample: i32, row: i32): usize {
  return p.z + <usize>(sample * p.channels) * p.zPlane + <usize>row * p.rowBytes;
}

/** y of one row. Neighbouring strips write the rows between them twice, with the same bits. */
function lookRow(p: PixelPlan, sample: i32, row: i32, scratch: usize): void {
  const plane = <usize>(p.width * p.height) << 1;
  let source = word(p.sources, sample) + (<usize>(row * p.width) << 1);
  let out = yRow(p, sample, row);
  const tables = p.tables + <usize>sample * p.tableBytes;
  const index = scratch + indexAt();
  for (let band = 0; band < p.bands; band++) {
    clipRow(source, <i32>word(p.lasts, band), p.width, index);
    readRow(tables + word(p.bandOffsets, band), index, p.width, out);
    source += plane;
    out += p.yPlane;
  }
}

/** Convolves rows of `bands` channels into all output channels; leaves the rows' taps in the scratch memory. */
function convolve(
  p: PixelPlan, above: usize, here: usize, below: usize, channel: usize,
  weights: usize, start: usize, startChannel: usize, out: usize, outChannel: usize, scratch: usize,
): void {
  const taps = scratch + tapsAt(p);
  writeTaps(taps, above, here, below, channel, p.bands);
  for (let block = 0; block < p.channels >> 2; block++)
    convRow(
      taps, 9 * p.bands, weights + (<usize>(block * p.bands * 9) << 6),
      start + <usize>(block << 2) * startChannel, startChannel,
      out + <usize>(block << 2) * outChannel, outChannel, p.rowBytes,
    );
}

function convolveRow(p: PixelPlan, sample: i32, row: i32, out: usize, outChannel: usize, scratch: usize): void {
  const here = yRow(p, sample, row);
  convolve(p, here - p.stride, here, here + p.stride, p.yPlane, p.forward, scratch + zeroAt(p), 0, out, outChannel, scratch);
}

/** Adds Σ(z − reference) and Σ(z − reference)² of a row; the strip's first row gives the reference. */
export function momentRow(p: PixelPlan, z: usize, first: bool, sums: usize): void {
  const bands = <usize>p.bands;
  for (let band: usize = 0; band < bands; band++) {
    const at = sums + (band << 3);
    if (first) {
      let sum = f32x4.splat(0);
      for (let x: usize = 0; x < p.rowBytes; x += 16)
        sum = f32x4.add(sum, v128.and(v128.load(p.columns + x), v128.load(z + x)));
      store<f64>(at, <f64><f32>(total(sum) / <f64>p.width));
    }
    const reference = f32x4.splat(<f32>load<f64>(at));
    let sum = f32x4.splat(0), square = sum;
    let sum1 = sum, square1 = sum;
    for (let x: usize = 0; x < p.rowBytes; x += 32) {
      const d = v128.and(v128.load(p.columns + x), f32x4.sub(v128.load(z + x), reference));
      const d1 = v128.and(v128.load(p.columns + x, 16), f32x4.sub(v128.load(z + x, 16), reference));
      sum = f32x4.add(sum, d), sum1 = f32x4.add(sum1, d1);
      square = f32x4.add(square, f32x4.mul(d, d)), square1 = f32x4.add(square1, f32x4.mul(d1, d1));
    }
    addTo(at + (bands << 3), total(sum) + total(sum1));
    addTo(at + (bands << 4), total(square) + total(square1));
    z += p.zPlane;
  }
}

/** Writes the row's mask as lanes of ones and zeros; returns how many pixels are valid. */
function maskRow(p: PixelPlan, sample: i32, row: i32, out: usize): i32 {
  const mask = word(p.masks, sample) + <usize>(row * p.width);
  const zero = i16x8.splat(0);
  let count = i32x4.splat(0);
  for (let x: usize = 0; x < p.rowBytes; x += 32) {
    const valid = i16x8.ne(v128.load_ext<u8>(mask + (x >> 2)), zero);
    const low = v128.and(v128.load(p.columns + x), i32x4.extend_low_i16x8_s(valid));
    const high = v128.and(v128.load(p.columns + x, 16), i32x4.extend_high_i16x8_s(valid));
    count = i32x4.sub(i32x4.sub(count, low), high);
    v128.store(out + x, low), v128.store(out + x, high, 16);
  }
  return i32x4.extract_lane(count, 0) + i32x4.extract_lane(count, 1) +
    i32x4.extract_lane(count, 2) + i32x4.extract_lane(count, 3);
}

@inline function targetRow(p: PixelPlan, sample: i32, row: i32): usize {
  return word(p.targets, sample) + (<usize>(row * p.width) << 1);
}

/** Adds the row's valid pixels, Σe², and per band Σda and Σda·(z − mean): e the error, da that of a = BN(z) > 0. */
export function errorRow(p: PixelPlan, sample: i32, row: i32, z: usize, zChannel: usize, mask: usize, sums: usize): void {
  addTo(sums, <f64>maskRow(p, sample, row, mask));
  const zero = f32x4.splat(0);
  let y = yRow(p, sample, row);
  let target = targetRow(p, sample, row);
  let squares: f64 = 0;
  for (let band = 0; band < p.bands; band++) {
    const at = <usize>band << 2;
    const mean = v128.load_splat<f32>(p.mean + at), scale = v128.load_splat<f32>(p.scale + at);
    const beta = v128.load_splat<f32>(p.beta + at);
    let sse = zero, sum = zero, slope = zero;
    for (let x: usize = 0; x < p.rowBytes; x += 16) {
      const c = f32x4.sub(v128.load(z + x), mean);
      const a = f32x4.add(f32x4.mul(c, scale), beta);
      const out = f32x4.add(v128.load(y + x), f32x4.pmax(a, zero));
      const t = f32x4.convert_i32x4_s(v128.load_ext<i16>(target + (x >> 1)));
      const e = v128.and(v128.load(mask + x), f32x4.sub(out, t));
      const d = v128.and(f32x4.gt(a, zero), e);
      sse = f32x4.add(sse, f32x4.mul(e, e));
      sum = f32x4.add(sum, d);
      slope = f32x4.add(slope, f32x4.mul(d, c));
    }
    squares += total(sse);
    addTo(sums + (<usize>(2 + band) << 3), total(sum));
    addTo(sums + (<usize>(2 + p.bands + band) << 3), total(slope));
    y += p.yPlane;
    z += zChannel;
    target += <usize>(p.width * p.height) << 1;
  }
  addTo(sums + 8, squares);
}

/** Writes e and dz of a row, both without the factor 2 / (n·C) that the host brings in at the end. */
export function slopeRow(
  p: PixelPlan, sample: i32, row: i32, z: usize, zChannel: usize, dz: usize, scratch: usize,
): void {
  const mask = scratch + maskAt(p);
  const slot = <usize>((row & 1) * p.channels) * p.rowBytes;
  let error = scratch + errorAt(p) + slot;
  const beside = scratch + besideAt(p) + slot;
  maskRow(p, sample, row, mask);
  const zero = f32x4.splat(0);
  let y = yRow(p, sample, row);
  let target = targetRow(p, sample, row);
  for (let band = 0; band < p.bands; band++) {
    const at = <usize>band << 2;
    const mean = v128.load_splat<f32>(p.mean + at), scale = v128.load_splat<f32>(p.scale + at);
    const beta = v128.load_splat<f32>(p.beta + at);
    const level = v128.load_splat<f32>(p.level + at), slope = v128.load_splat<f32>(p.slope + at);
    const lane = beside + <usize>(band & ~3) * p.rowBytes + (<usize>(band & 3) << 4);
    for (let x: usize = 0; x < p.rowBytes; x += 16) {
      const c = f32x4.sub(v128.load(z + x), mean);
      const a = f32x4.add(f32x4.mul(c, scale), beta);
      const out = f32x4.add(v128.load(y + x), f32x4.pmax(a, zero));
      const t = f32x4.convert_i32x4_s(v128.load_ext<i16>(target + (x >> 1)));
      const e = v128.and(v128.load(mask + x), f32x4.sub(out, t));
      const da = f32x4.mul(scale, v128.and(f32x4.gt(a, zero), e));
      const d = v128.and(v128.load(p.columns + x), f32x4.sub(da, f32x4.add(level, f32x4.mul(c, slope))));
      v128.store(error + x, e);
      v128.store(dz + x, d);
      v128.store(lane + (x << 2), d);
    }
    y += p.yPlane;
    z += zChannel;
    error += p.rowBytes;
    dz += p.stride;
    target += <usize>(p.width * p.height) << 1;
  }
}

/** Pass 1: y and z of a strip and, for batch norm over the batch, the moments of z. */
export function convPass(plan: usize, unit: i32, scratch: usize): void {
  const p = changetype<PixelPlan>(plan);
  const sample = unit / p.strips;
  const first = (unit % p.strips) * p.stripRows;
  const end = min(first + p.stripRows, p.height);
  const sums = p.sums + <usize>unit * p.sumBytes;
  memory.fill(sums, 0, <usize>(3 * p.bands) << 3);
  let looked = max(first - 1, 0);
  for (let row = first; row < end; row++) {
    while (looked <= row + 1 && looked < p.height) lookRow(p, sample, looked++, scratch);
    const z = zRow(p, sample, row);
    convolveRow(p, sample, row, z, p.zPlane, scratch);
    momentRow(p, z, row == first, sums);
  }
}

/** Pass 2: the loss of a strip and the sums that the gradient of batch norm needs. */
export function errorPass(plan: usize, unit: i32, scratch: usize): void {
  const p = changetype<PixelPlan>(plan);
  const sample = unit / p.strips;
  const first = (unit % p.strips) * p.stripRows;
  const end = min(first + p.stripRows, p.height);
  const sums = p.sums + <usize>unit * p.sumBytes + (<usize>errorSumsAt(p.bands) << 3);
  memory.fill(sums, 0, <usize>(2 * p.bands + 2) << 3);
  for (let row = first; row < end; row++)
    errorRow(p, sample, row, zRow(p, sample, row), p.zPlane, scratch + maskAt(p), sums);
}

/** Moves the weights' gradient from float32 lanes to float64 sums. */
function foldWeights(p: PixelPlan, sums: usize, scratch: usize): void {
  const lanes = scratch + lanesAt(p);
  const count = pairedTaps(p.bands) * p.channels;
  for (let i = 0; i < count; i++) addTo(sums + (<usize>i << 3), total(v128.load(lanes + (<usize>i << 4))));
  memory.fill(lanes, 0, <usize>count << 4);
}

/** Row q's gradient, from dz of q − 1, q and q + 1: into the tables at the source's values, and into the weights. */
function backRow(p: PixelPlan, sample: i32, row: i32, tables: usize, scratch: usize): void {
  const ring = scratch + ringAt(p) + lead;
  const slot = <usize>p.channels * p.stride;
  const above = ring + <usize>((row + 2) % 3) * slot;
  const here = ring + <usize>(row % 3) * slot;
  const below = ring + <usize>((row + 1) % 3) * slot;
  const out = scratch + convAt(p);
  const error = scratch + errorAt(p) + <usize>((row & 1) * p.channels) * p.rowBytes;
  convolve(p, above, here, below, p.stride, p.backward, error, p.rowBytes, out, p.rowBytes, scratch);

  const index = scratch + indexAt();
  const taps = scratch + tapsAt(p);
  let gradient = out;
  let source = word(p.sources, sample) + (<usize>(row * p.width) << 1);
  for (let band = 0; band < p.bands; band++) {
    clipRow(source, <i32>word(p.lasts, band), p.width, index);
    addRow(tables + word(p.bandOffsets, band), index, p.width, gradient);
    source += <usize>(p.width * p.height) << 1;
    gradient += p.rowBytes;
  }
  const y = yRow(p, sample, row);
  writeTaps(taps, y - p.stride, y, y + p.stride, p.yPlane, p.bands);
  const count = pairedTaps(p.bands);
  if (count > 9 * p.bands) store<u32>(taps + (<usize>(9 * p.bands) << 2), load<u32>(taps));
  for (let block = 0; block < p.channels >> 2; block++)
    weightRow(
      scratch + besideAt(p) + (<usize>((row & 1) * p.channels) + <usize>(block << 2)) * p.rowBytes, taps, count,
      scratch + lanesAt(p) + (<usize>block << 6), <usize>p.channels << 4, p.rowBytes,
    );
}

/**
 * Pass 3: gradients of a strip. With `fused` it is the only pass (running statistics: nothing is to be known of the
 * batch first): y, z and the sums of pass 2 are made on the way.
 */
function backPass(p: PixelPlan, unit: i32, scratch: usize, fused: bool): void {
  const sample = unit / p.strips;
  const first = (unit % p.strips) * p.stripRows;
  const end = min(first + p.stripRows, p.height);
  const sums = p.sums + <usize>unit * p.sumBytes;
  const tables = p.gradients + <usize>unit * p.tableBytes;
  memory.fill(tables, 0, p.tableBytes);
  memory.fill(sums + (<usize>weightSumsAt(p.bands) << 3), 0, <usize>(pairedTaps(p.bands) * p.channels) << 3);
  if (fused) memory.fill(sums + (<usize>errorSumsAt(p.bands) << 3), 0, <usize>(2 * p.bands + 2) << 3);
  memory.fill(scratch + lanesAt(p), 0, <usize>(pairedTaps(p.bands) * p.channels) << 4);
  const mask = scratch + maskAt(p);
  let looked = max(first - 2, 0);
  for (let row = first - 1; row <= end; row++) {
    const dz = scratch + ringAt(p) + lead + <usize>((row + 3) % 3) * <usize>p.channels * p.stride;
    if (row < 0 || row >= p.height)
      for (let band = 0; band < p.bands; band++) memory.fill(dz + <usize>band * p.stride, 0, p.rowBytes);
    else {
      let z = zRow(p, sample, row);
      let zChannel = p.zPlane;
      if (fused) {
        while (looked <= row + 1 && looked < p.height) lookRow(p, sample, looked++, scratch);
        z = scratch + convAt(p);
        zChannel = p.rowBytes;
        convolveRow(p, sample, row, z, zChannel, scratch);
        if (row >= first && row < end)
          errorRow(p, sample, row, z, zChannel, mask, sums + (<usize>errorSumsAt(p.bands) << 3));
      }
      slopeRow(p, sample, row, z, zChannel, dz, scratch);
    }
    if (row <= first) continue;
    backRow(p, sample, row - 1, tables, scratch);
    // float32 lanes hold 16 rows at most, so that they lose nothing worth keeping
    if (row == end || ((row - first) & 15) == 0) foldWeights(p, sums + (<usize>weightSumsAt(p.bands) << 3), scratch);
  }
}

export function gradientPass(plan: usize, unit: i32, scratch: usize): void {
  backPass(changetype<PixelPlan>(plan), unit, scratch, false);
}

export function wholePass(plan: usize, unit: i32, scratch: usize): void {
  backPass(changetype<PixelPlan>(plan), unit, scratch, true);
}

/** Adds up the gradients of a sample's strips and brings them from values to knots. */
export function foldTables(plan: usize, sample: i32): void {
  const p = changetype<PixelPlan>(plan);
  const tables = p.gradients + <usize>(sample * p.strips) * p.tableBytes;
  const knotBytes = <usize>p.knots << 3;
  let sums = p.knotSums + <usize>(sample * p.bands) * knotBytes;
  memory.fill(sums, 0, <usize>p.bands * knotBytes);
  for (let band = 0; band < p.bands; band++) {
    const from = word(p.bandOffsets, band);
    const end = from + ((word(p.lasts, band) + 1) << 2);
    for (let v = from; v < end; v += 4) {
      let sum: f64 = 0;
      let at = tables + v;
      for (let strip = 0; strip < p.strips; strip++) {
        sum += <f64>load<f32>(at);
        at += p.tableBytes;
      }
      if (sum == 0) continue;
      const knot = sums + (<usize>load<i32>(p.lower + v) << 3);
      const weight = <f64>load<f32>(p.upper + v);
      store<f64>(knot, load<f64>(knot) + (1 - weight) * sum);
      store<f64>(knot, load<f64>(knot, 8) + weight * sum, 8);
    }
    sums += knotBytes;
  }
}
