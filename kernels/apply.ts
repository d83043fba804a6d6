// The conv module at inference, a strip of rows at a time.
import { ConvStrip } from '../src/engine/abi';
import { convRow, writeTaps } from './conv-rows';

const lead: usize = 16;

/** Puts input row `row`, −1 … rows, into its slot of the ring. */
function takeRow(s: ConvStrip, row: i32): void {
  const given = row + s.top;
  const height = s.top + s.rows + s.bottom;
  const bytes = <usize>(s.left + s.width + s.right) << 2;
  let out = s.ring + <usize>(((row + 3) % 3) * s.bands) * s.stride + lead - (<usize>s.left << 2);
  let input = s.input + <usize>given * bytes;
  for (let band = 0; band < s.bands; band++) {
    if (given < 0 || given >= height) memory.fill(out, 0, bytes);
    else memory.copy(out, input, bytes);
    out += s.stride;
    input += <usize>height * bytes;
  }
}

/** `out = y + ReLU(scale·sum + shift)` of one row and band. */
export function residualRow(y: usize, sums: usize, scale: f32, shift: f32, width: i32, out: usize): void {
  const factor = f32x4.splat(scale), offset = f32x4.splat(shift), zero = f32x4.splat(0);
  const whole = <usize>(width & ~3) << 2, end = <usize>width << 2;
  let x: usize = 0;
  for (; x < whole; x += 16) {
    const a = f32x4.add(f32x4.mul(factor, v128.load(sums + x)), offset);
    v128.store(out + x, f32x4.add(v128.load(y + x), f32x4.pmax(a, zero)));
  }
  for (; x < end; x += 4) {
    const a = scale * load<f32>(sums + x) + shift;
    store<f32>(out + x, load<f32>(y + x) + (a < 0 ? 0 : a));
  }
}

export function applyStrip(strip: usize): void {
  const s = changetype<ConvStrip>(strip);
  memory.fill(s.ring, 0, <usize>(3 * s.bands) * s.stride);
  takeRow(s, -1);
  takeRow(s, 0);
  const slot = <usize>s.bands * s.stride;
  const first = s.ring + lead;
  for (let row = 0; row < s.rows; row++) {
    takeRow(s, row + 1);
    const here = first + <usize>(row % 3) * slot;
    writeTaps(
      s.taps, first + <usize>((row + 2) % 3) * slot, here, first + <usize>((row + 1) % 3) * slot, s.stride, s.bands,
    );
    for (let block = 0; block < s.channels >> 2; block++)
      convRow(
        s.taps, 9 * s.bands, s.weights + (<usize>(block * s.bands * 9) << 6), s.zero, 0,
        s.sums + <usize>(block << 2) * s.rowBytes, s.rowBytes, s.rowBytes,
      );
    for (let band = 0; band < s.bands; band++)
      residualRow(
        here + <usize>band * s.stride, s.sums + <usize>band * s.rowBytes,
        load<f32>(s.scale + (<usize>band << 2)), load<f32>(s.shift + (<usize>band << 2)),
        s.width, s.output + (<usize>((band * s.rows + row) * s.width) << 2),
      );
  }
}
