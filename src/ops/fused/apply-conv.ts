import type { Halo } from '../apply-conv.js';
import type { ConvModule } from '../mapping.js';
import { arrangeWeights } from './conv-weights.js';
import { loadKernel, memoryPlan } from './load.js';

/** kernels/apply.entry.ts */
interface ApplyKernel {
  applyStrip(strip: number): void;
}

/** Fields of kernels/apply.ts's Strip, in its order. */
const fields = [
  'width',
  'bands',
  'channels',
  'rowBytes',
  'stride',
  'rows',
  'top',
  'bottom',
  'left',
  'right',
  'input',
  'output',
  'weights',
  'scale',
  'shift',
  'ring',
  'zero',
  'sums',
  'taps',
] as const;

type Strip = Record<(typeof fields)[number], number>;

/** Rows computed at a time: a strip of a scene 10 980 pixels wide takes some 12 MB, whatever the scene's height. */
const stripRows = 32;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

const planStrip = (bands: number, width: number) => {
  const channels = roundUp(bands, 4);
  const rowBytes = roundUp(width, 8) * 4;
  const stride = rowBytes + 32;
  const { take, size } = memoryPlan();
  const address = take(4 * fields.length);
  const strip: Strip = {
    width,
    bands,
    channels,
    rowBytes,
    stride,
    rows: 0,
    top: 0,
    bottom: 0,
    left: 0,
    right: 0,
    input: take(4 * bands * (stripRows + 2) * (width + 2)),
    output: take(4 * bands * stripRows * width),
    weights: take(16 * channels * bands * 9),
    scale: take(4 * bands),
    shift: take(4 * bands),
    ring: take(3 * bands * stride),
    zero: take(rowBytes),
    sums: take(channels * rowBytes),
    taps: take(4 * 9 * bands),
  };
  return { address, strip, bytes: size() };
};

let room: { memory: WebAssembly.Memory; kernel: ApplyKernel } | null = null;

/** The memory of this kernel, `bytes` long at least; it grows to the widest image met. */
const roomOf = (bytes: number): { memory: WebAssembly.Memory; kernel: ApplyKernel } => {
  if (!room) {
    const memory = new WebAssembly.Memory({ initial: 1 });
    room = { memory, kernel: loadKernel<ApplyKernel>('apply', memory) };
  }
  const missing = Math.ceil(bytes / 65536) - room.memory.buffer.byteLength / 65536;
  if (missing > 0) room.memory.grow(missing);
  return room;
};

/** {@link applyConvWindow} in WebAssembly, the same bits as {@link convRows}. */
export const fusedConvRows = (
  { bands, weight, scale, shift }: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  halo: Halo,
  out: Float32Array,
): void => {
  const { address, strip, bytes } = planStrip(bands, width);
  const { memory, kernel } = roomOf(bytes);
  const floats = new Float32Array(memory.buffer);
  const words = new Int32Array(memory.buffer, address, fields.length);
  floats.fill(0, strip.weights / 4, strip.scale / 4);
  arrangeWeights(weight, bands, false, floats.subarray(strip.weights / 4));
  floats.set(scale, strip.scale / 4);
  floats.set(shift, strip.shift / 4);
  floats.fill(0, strip.zero / 4, (strip.zero + strip.rowBytes) / 4);
  strip.left = halo.left;
  strip.right = halo.right;
  const stride = width + halo.left + halo.right;
  const given = height + halo.top + halo.bottom;
  for (let first = 0; first < height; first += stripRows) {
    const end = Math.min(first + stripRows, height);
    strip.rows = end - first;
    strip.top = first === 0 ? halo.top : 1;
    strip.bottom = end === height ? halo.bottom : 1;
    fields.forEach((field, index) => {
      words[index] = strip[field];
    });
    const from = first + halo.top - strip.top;
    const size = (strip.rows + strip.top + strip.bottom) * stride;
    for (let band = 0; band < bands; band++) {
      const start = (band * given + from) * stride;
      floats.set(y.subarray(start, start + size), strip.input / 4 + band * size);
    }
    kernel.applyStrip(address);
    const made = strip.rows * width;
    for (let band = 0; band < bands; band++) {
      const start = strip.output / 4 + band * made;
      out.set(floats.subarray(start, start + made), (band * height + first) * width);
    }
  }
};
