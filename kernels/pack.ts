/**
 * Weights as PyTorch lays them out, packed into the panels of kernels/matrix.ts, and gradients of packed matrices laid
 * out as PyTorch's weights. Channels are padded to multiples of 4 by zeros. An input of a convolution consists of `halves` (1, or 2: skip and below) of `input` channels each.
 */

// @ts-ignore: decorator
@inline
function pad4(count: i32): i32 {
  return (count + 3) & ~3;
}

/** Address of element (row, column) of a [k, n] matrix in panels of 8 columns, the last of 4 where n % 8 = 4. */
// @ts-ignore: decorator
@inline
function inPanels(panels: usize, k: i32, n: i32, row: i32, column: i32): usize {
  const panel = column & ~7;
  const width = min(8, n - panel);
  return panels + (<usize>(panel * k + row * width + (column - panel)) << 2);
}

// @ts-ignore: decorator
@inline
export function storeColumns(a: v128, b: v128, c: v128, d: v128, to0: usize, to1: usize, to2: usize, to3: usize): void {
  const low01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to0, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to1, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(to2, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(to3, v128.shuffle<i64>(high01, high23, 1, 3));
}

/** Forward matrix of a convolution of 3 from weight [output, halves·input, 3]: [3·halves·input4, output4]. */
export function packConv(weight: usize, output: i32, input: i32, halves: i32, panels: usize): void {
  const input4 = pad4(input), output4 = pad4(output), channels = halves * input, channels4 = halves * input4;
  const k = 3 * channels4;
  if ((input & 3) == 0 && (output & 3) == 0) {
    const from = <usize>channels * 12;
    for (let o = 0; o < output; o += 4) {
      const width = <usize>min(8, output4 - (o & ~7)) << 2;
      const tap = width * <usize>channels4;
      let at = inPanels(panels, k, output4, 0, o);
      let w0 = weight + <usize>o * from;
      for (let c = 0; c < channels; c += 4, w0 += 48, at += width << 2) {
        const w1 = w0 + from, w2 = w1 + from, w3 = w2 + from;
        storeColumns(
          v128.load(w0), v128.load(w1), v128.load(w2), v128.load(w3),
          at, at + tap, at + 2 * tap, at + width,
        );
        storeColumns(
          v128.load(w0, 16), v128.load(w1, 16), v128.load(w2, 16), v128.load(w3, 16),
          at + width + tap, at + width + 2 * tap, at + 2 * width, at + 2 * width + tap,
        );
        storeColumns(
          v128.load(w0, 32), v128.load(w1, 32), v128.load(w2, 32), v128.load(w3, 32),
          at + 2 * width + 2 * tap, at + 3 * width, at + 3 * width + tap, at + 3 * width + 2 * tap,
        );
      }
    }
    return;
  }
  memory.fill(panels, 0, <usize>(k * output4) << 2);
  let from = weight;
  for (let o = 0; o < output; o++)
    for (let half = 0; half < halves; half++)
      for (let c = 0; c < input; c++)
        for (let tap = 0; tap < 3; tap++, from += 4)
          store<f32>(
            inPanels(panels, k, output4, tap * channels4 + half * input4 + c, o),
            load<f32>(from),
          );
}

/**
 * Matrix that carries a gradient back through a convolution of 3 to one half of its input: the taps turned round,
 * [3·output4, input4].
 */
export function packConvBack(weight: usize, output: i32, input: i32, halves: i32, half: i32, panels: usize): void {
  const input4 = pad4(input), output4 = pad4(output);
  const k = 3 * output4;
  const from = <usize>(halves * input) * 12;
  const start = weight + <usize>(half * input) * 12;
  if (((input | output) & 3) != 0) memory.fill(panels, 0, <usize>(k * input4) << 2);
  if ((input & 3) == 0) {
    for (let o = 0; o < output; o++) {
      let w = start + <usize>o * from;
      for (let c = 0; c < input; c += 4, w += 48) {
        const x = v128.load(w), y = v128.load(w, 16), z = v128.load(w, 32);
        const to = inPanels(panels, k, input4, o, c);
        const tap = <usize>(output4 * min(8, input4 - (c & ~7))) << 2;
        v128.store(to + 2 * tap, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 0, 3, 6, 0), z, 0, 1, 2, 5));
        v128.store(to + tap, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 1, 4, 7, 0), z, 0, 1, 2, 6));
        v128.store(to, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 2, 5, 0, 0), z, 0, 1, 4, 7));
      }
    }
    return;
  }
  for (let o = 0; o < output; o++)
    for (let c = 0; c < input; c++)
      for (let tap = 0; tap < 3; tap++)
        store<f32>(
          inPanels(panels, k, input4, (2 - tap) * output4 + o, c),
          load<f32>(start + <usize>o * from + (<usize>(c * 3 + tap) << 2)),
        );
}

/** dweight [output, halves·input, 3] from the gradient of the packed matrix, [output4, row] with 3·halves·input4 used. */
export function unpackConv(gradient: usize, row: usize, output: i32, input: i32, halves: i32, dweight: usize): void {
  const input4 = pad4(input), channels4 = halves * input4;
  const tap = <usize>channels4 << 2;
  let to = dweight;
  for (let o = 0; o < output; o++)
    for (let half = 0; half < halves; half++) {
      const from = gradient + <usize>o * row + (<usize>(half * input4) << 2);
      let c = 0;
      for (; c + 4 <= input; c += 4, to += 48) {
        const at = from + (<usize>c << 2);
        const x = v128.load(at), y = v128.load(at + tap), z = v128.load(at + 2 * tap);
        v128.store(to, v128.shuffle<i32>(v128.shuffle<i32>(x, y, 0, 4, 1, 0), z, 0, 1, 4, 2));
        v128.store(to, v128.shuffle<i32>(v128.shuffle<i32>(y, z, 1, 5, 2, 0), x, 0, 1, 6, 2), 16);
        v128.store(to, v128.shuffle<i32>(v128.shuffle<i32>(z, x, 2, 7, 3, 0), y, 0, 1, 7, 2), 32);
      }
      for (; c < input; c++)
        for (let t: usize = 0; t < 3; t++, to += 4)
          store<f32>(to, load<f32>(from + (<usize>c << 2) + t * tap));
    }
}

/** One tap of a transposed convolution of 2, weight [input, output, 2]: [input4, output4]. */
export function packUp(weight: usize, input: i32, output: i32, tap: i32, panels: usize): void {
  const k = pad4(input), n = pad4(output);
  if (((input | output) & 3) != 0) memory.fill(panels, 0, <usize>(k * n) << 2);
  for (let i = 0; i < input; i++) {
    let w = weight + (<usize>(i * output) << 3);
    let o = 0;
    for (; o + 4 <= output; o += 4, w += 32) {
      const x = v128.load(w), y = v128.load(w, 16);
      v128.store(
        inPanels(panels, k, n, i, o),
        tap == 0 ? v128.shuffle<i32>(x, y, 0, 2, 4, 6) : v128.shuffle<i32>(x, y, 1, 3, 5, 7),
      );
    }
    for (; o < output; o++, w += 8) store<f32>(inPanels(panels, k, n, i, o), load<f32>(w + (<usize>tap << 2)));
  }
}

/** Matrix that carries a gradient back through the transposed convolution: [2·output4 (tap, output), input4]. */
export function packUpBack(weight: usize, input: i32, output: i32, panels: usize): void {
  const output4 = pad4(output), k = 2 * output4, n = pad4(input);
  if (((input | output) & 3) != 0) memory.fill(panels, 0, <usize>(k * n) << 2);
  if ((input & 3) == 0 && (output & 1) == 0) {
    const from = <usize>output << 3;
    for (let i = 0; i < input; i += 4) {
      const width = <usize>min(8, n - (i & ~7)) << 2;
      const tap = width * <usize>output4;
      let at = inPanels(panels, k, n, 0, i);
      let w = weight + <usize>i * from;
      for (let o = 0; o < output; o += 2, w += 16, at += width << 1)
        storeColumns(
          v128.load(w), v128.load(w + from), v128.load(w + 2 * from), v128.load(w + 3 * from),
          at, at + tap, at + width, at + width + tap,
        );
    }
    return;
  }
  let w = weight;
  for (let i = 0; i < input; i++)
    for (let o = 0; o < output; o++)
      for (let tap = 0; tap < 2; tap++, w += 4)
        store<f32>(inPanels(panels, k, n, tap * output4 + o, i), load<f32>(w));
}

/** dweight [input, output, 2] from [input4, row], of which 2·output4 are used: tap, then output. */
export function unpackUp(gradient: usize, row: usize, input: i32, output: i32, dweight: usize): void {
  const tap = <usize>pad4(output) << 2;
  let to = dweight;
  for (let i = 0; i < input; i++) {
    let at = gradient + <usize>i * row;
    let o = 0;
    for (; o + 4 <= output; o += 4, at += 16, to += 32) {
      const x = v128.load(at), y = v128.load(at + tap);
      v128.store(to, v128.shuffle<i32>(x, y, 0, 4, 1, 5));
      v128.store(to, v128.shuffle<i32>(x, y, 2, 6, 3, 7), 16);
    }
    for (; o < output; o++, at += 4, to += 8) {
      store<f32>(to, load<f32>(at));
      store<f32>(to, load<f32>(at + tap), 4);
    }
  }
}

/** A convolution of 1, weight [output, input]: [input4, output4], or, to carry a gradient back, [output4, input4]. */
export function packPoint(weight: usize, output: i32, input: i32, back: bool, panels: usize): void {
  const input4 = pad4(input), output4 = pad4(output);
  memory.fill(panels, 0, <usize>(input4 * output4) << 2);
  for (let o = 0; o < output; o++)
    for (let c = 0; c < input; c++)
      store<f32>(
        back ? inPanels(panels, output4, input4, o, c) : inPanels(panels, input4, output4, c, o),
        load<f32>(weight + (<usize>(o * input + c) << 2)),
      );
}

/** dweight [output, input] from [output4, row]. */
export function unpackPoint(gradient: usize, row: usize, output: i32, input: i32, dweight: usize): void {
  for (let o = 0; o < output; o++)
    memory.copy(dweight + (<usize>(o * input) << 2), gradient + <usize>o * row, <usize>input << 2);
}

/**
 * Rows of positions, [rows][channels4], `sample` bytes apart, from planes [samples][channels][rows]; a unit is a sample.
 * `picked`: which sample of the planes each is, u32, or 0 for all in their order.
 */
export function planesToRowsUnit(
  unit: i32,
  channels: i32,
  rows: i32,
  planes: usize,
  out: usize,
  sample: usize,
  picked: usize,
): void {
  const row = <usize>pad4(channels) << 2;
  const which = picked ? <usize>load<u32>(picked + (<usize>unit << 2)) : <usize>unit;
  let from = planes + ((which * <usize>(channels * rows)) << 2);
  for (let c = 0; c < channels; c++) {
    let to = out + <usize>unit * sample + (<usize>c << 2);
    for (let i = 0; i < rows; i++, from += 4, to += row) store<f32>(to, load<f32>(from));
  }
}

/** The reverse of {@link planesToRowsUnit}. */
export function rowsToPlanesUnit(
  unit: i32,
  channels: i32,
  rows: i32,
  x: usize,
  sample: usize,
  planes: usize,
): void {
  const row = <usize>pad4(channels) << 2;
  let to = planes + (<usize>(unit * channels * rows) << 2);
  for (let c = 0; c < channels; c++) {
    let from = x + <usize>unit * sample + (<usize>c << 2);
    for (let i = 0; i < rows; i++, to += 4, from += row) store<f32>(to, load<f32>(from));
  }
}

/** `count` floats at `to`, and zeros up to a multiple of 4. */
export function padBias(from: usize, count: i32, to: usize): void {
  memory.fill(to, 0, <usize>pad4(count) << 2);
  memory.copy(to, from, <usize>count << 2);
}
