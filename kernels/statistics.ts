/** Pixels of one call at most: counts have 24 bits of a sum's 64. */
const one: i64 = 1 << 40;

/**
 * Counts values of one band over its valid pixels. For source value v, `sums[v + 32768]` gains the number of pixels
 * (from bit 40 up) and the sum of their target values + 32768 (below); `targets[w + 32768]` counts target values.
 *
 * @param count at most 2²⁴ pixels
 * @param sums [65536] i64, targets [65536] u32
 */
export function countPixels(
  source: usize, target: usize, mask: usize, count: i32, sums: usize, targets: usize,
): void {
  const sumZero = sums + (32768 << 3), targetZero = targets + (32768 << 2);
  const whole = count & ~3;
  let i = 0;
  for (; i < whole; i += 4) {
    const x = load<i64>(source + (<usize>i << 1));
    const y = load<i64>(target + (<usize>i << 1));
    const m = load<u32>(mask + i);
    add(sumZero, targetZero, <i32>(<i16>x), <i32>(<i16>y), <i32>((m & 0xff) != 0));
    add(sumZero, targetZero, <i32>(<i16>(x >> 16)), <i32>(<i16>(y >> 16)), <i32>((m & 0xff00) != 0));
    add(sumZero, targetZero, <i32>(<i16>(x >> 32)), <i32>(<i16>(y >> 32)), <i32>((m & 0xff0000) != 0));
    add(sumZero, targetZero, <i32>(x >> 48), <i32>(y >> 48), <i32>((m & 0xff000000) != 0));
  }
  for (; i < count; i++)
    add(
      sumZero, targetZero,
      <i32>load<i16>(source + (<usize>i << 1)), <i32>load<i16>(target + (<usize>i << 1)), <i32>(load<u8>(mask + i) != 0),
    );
}

/** One pixel; without a branch, for masks are too ragged to be foreseen. */
@inline function add(sumZero: usize, targetZero: usize, x: i32, y: i32, valid: i32): void {
  const at = sumZero + (x << 3);
  store<i64>(at, load<i64>(at) + ((one + 32768 + <i64>y) & -(<i64>valid)));
  const to = targetZero + (y << 2);
  store<i32>(to, load<i32>(to) + valid);
}

/** The least (low 16 bits) and the greatest (high 16) of `count` int16 values, valid or not; count ≥ 1. */
export function valueRange(values: usize, count: i32): i32 {
  let least = i16x8.splat(load<i16>(values)), greatest = least;
  const whole = count & ~7;
  let i = 0;
  for (; i < whole; i += 8) {
    const v = v128.load(values + (<usize>i << 1));
    least = i16x8.min_s(least, v);
    greatest = i16x8.max_s(greatest, v);
  }
  let low = min(min(min(lane(least, 0), lane(least, 1)), min(lane(least, 2), lane(least, 3))),
    min(min(lane(least, 4), lane(least, 5)), min(lane(least, 6), lane(least, 7))));
  let high = max(max(max(lane(greatest, 0), lane(greatest, 1)), max(lane(greatest, 2), lane(greatest, 3))),
    max(max(lane(greatest, 4), lane(greatest, 5)), max(lane(greatest, 6), lane(greatest, 7))));
  for (; i < count; i++) {
    const v = <i32>load<i16>(values + (<usize>i << 1));
    low = min(low, v), high = max(high, v);
  }
  return (low & 0xffff) | (high << 16);
}

function lane(values: v128, index: i32): i32 {
  switch (index) {
    case 0: return i16x8.extract_lane_s(values, 0);
    case 1: return i16x8.extract_lane_s(values, 1);
    case 2: return i16x8.extract_lane_s(values, 2);
    case 3: return i16x8.extract_lane_s(values, 3);
    case 4: return i16x8.extract_lane_s(values, 4);
    case 5: return i16x8.extract_lane_s(values, 5);
    case 6: return i16x8.extract_lane_s(values, 6);
    default: return i16x8.extract_lane_s(values, 7);
  }
}

/** Splits sums into counts [u32] and target sums [f64], adding to both, and clears them. */
export function splitSums(sums: usize, from: i32, to: i32, counts: usize, targetSums: usize): void {
  for (let v = <usize>from; v < <usize>to; v++) {
    const sum = load<i64>(sums + (v << 3));
    if (sum == 0) continue;
    const count = sum >> 40;
    store<u32>(counts + (v << 2), load<u32>(counts + (v << 2)) + <u32>count);
    const at = targetSums + (v << 3);
    store<f64>(at, load<f64>(at) + <f64>((sum & (one - 1)) - (count << 15)));
    store<i64>(sums + (v << 3), 0);
  }
}
