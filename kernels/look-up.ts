/** Clips `count` int16 values to [0, last]; reads and writes up to 7 values more. */
export function clipRow(source: usize, last: i32, count: i32, out: usize): void {
  const zero = i16x8.splat(0), top = i16x8.splat(<i16>last);
  const end = <usize>count << 1;
  for (let x: usize = 0; x < end; x += 16)
    v128.store(out + x, i16x8.min_s(i16x8.max_s(v128.load(source + x), zero), top));
}

/** `out[x] = table[index[x]]`, float32 entries, indices of 16 bits. */
export function readRow(table: usize, index: usize, count: i32, out: usize): void {
  const whole = count & ~3;
  let x = 0;
  for (; x < whole; x += 4) {
    const i = index + (<usize>x << 1), o = out + (<usize>x << 2);
    const a = load<f32>(table + (<usize>load<u16>(i) << 2));
    const b = load<f32>(table + (<usize>load<u16>(i, 2) << 2));
    const c = load<f32>(table + (<usize>load<u16>(i, 4) << 2));
    const d = load<f32>(table + (<usize>load<u16>(i, 6) << 2));
    store<f32>(o, a), store<f32>(o, b, 4), store<f32>(o, c, 8), store<f32>(o, d, 12);
  }
  for (; x < count; x++)
    store<f32>(out + (<usize>x << 2), load<f32>(table + (<usize>load<u16>(index + (<usize>x << 1)) << 2)));
}

/** `table[index[x]] += values[x]`: the gradient of {@link readRow}. */
export function addRow(table: usize, index: usize, count: i32, values: usize): void {
  const whole = count & ~3;
  let x = 0;
  for (; x < whole; x += 4) {
    const i = index + (<usize>x << 1), v = values + (<usize>x << 2);
    let at = table + (<usize>load<u16>(i) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(v));
    at = table + (<usize>load<u16>(i, 2) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(v, 4));
    at = table + (<usize>load<u16>(i, 4) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(v, 8));
    at = table + (<usize>load<u16>(i, 6) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(v, 12));
  }
  for (; x < count; x++) {
    const at = table + (<usize>load<u16>(index + (<usize>x << 1)) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(values + (<usize>x << 2)));
  }
}
