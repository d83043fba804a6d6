import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import { ConvStrip } from './abi.js';
import { arrangeWeights } from './cpu/conv-weights.js';
import { normEpsilon } from './layout.js';

/**
 * The conv module in evaluation mode, `out = y + ReLU(scale ∘ (weight ⋆ y) + shift)`, zero padding 1 at the image's
 * edge, batch norm folded in: scale = γ/√(var+ε), shift = β + (bias − mean)·scale.
 */
export interface ConvModule {
  bands: number;
  /** [out, in, 3, 3]. */
  weight: Float32Array;
  scale: Float32Array;
  shift: Float32Array;
}

/**
 * Folds the conv module's batch norm for evaluation: scale = γ/√(var+ε), shift = β + (bias − mean)·scale.
 *
 * @param theta convLayout parameters: weight [C,C,3,3], bias [C], γ [C], β [C]
 * @param running mean [C], variance [C]
 */
export const foldConv = (bands: number, theta: Float32Array, running: Float32Array): ConvModule => {
  const weights = bands * bands * 9;
  const at = (part: number, band: number): number => theta[weights + part * bands + band];
  const scale = Float32Array.from(
    { length: bands },
    (_, band) => at(1, band) / Math.sqrt(running[bands + band] + normEpsilon),
  );
  const shift = scale.map((value, band) => at(2, band) + (at(0, band) - running[band]) * value);
  return { bands, weight: theta.slice(0, weights), scale, shift };
};

/** A window that carries its neighbours: 1 where a row or column of them is present, 0 at the image's edge. */
export interface Halo {
  left: 0 | 1;
  top: 0 | 1;
  right: 0 | 1;
  bottom: 0 | 1;
}

const edge: Halo = { left: 0, top: 0, right: 0, bottom: 0 };

/** kernels/apply.entry.ts */
interface ApplyKernel {
  alignStrip(strip: number): void;
  applyStrip(strip: number): void;
}

/** Rows computed at a time: a strip of a scene 10 980 pixels wide takes some 12 MB, whatever the scene's height. */
const stripRows = 32;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

const planStrip = (bands: number, width: number) => {
  const channels = roundUp(bands, 4);
  const rowBytes = roundUp(width, 8) * 4;
  const stride = rowBytes + 32;
  const { take, size } = memoryPlan();
  const strip = new ConvStrip();
  const address = take(4 * Object.keys(strip).length);
  Object.assign(strip, {
    width,
    bands,
    channels,
    rowBytes,
    stride,
    input: take(4 * bands * (stripRows + 2) * (width + 2)),
    output: take(4 * bands * stripRows * width),
    weights: take(16 * channels * bands * 9),
    scale: take(4 * bands),
    shift: take(4 * bands),
    ring: take(3 * bands * stride),
    zero: take(rowBytes),
    sums: take(channels * rowBytes),
    taps: take(4 * 9 * bands),
  } satisfies Partial<ConvStrip>);
  return { address, strip, bytes: size() };
};

let arena: { memory: WebAssembly.Memory; kernel: ApplyKernel } | null = null;

/** The memory of this kernel, `bytes` long at least; it grows to the widest image met. */
const arenaOf = (bytes: number): { memory: WebAssembly.Memory; kernel: ApplyKernel } => {
  if (!arena) {
    const memory = new WebAssembly.Memory({ initial: 1 });
    arena = { memory, kernel: loadKernel<ApplyKernel>('apply', memory) };
  }
  const missing = Math.ceil(bytes / 65536) - arena.memory.buffer.byteLength / 65536;
  if (missing > 0) arena.memory.grow(missing);
  return arena;
};

/**
 * {@link applyConv} on a window of a larger image. Any cover by windows gives the bits of the whole image: every pixel
 * adds its taps in float32 in the same order (input band, kernel row, kernel column).
 *
 * @param y [bands, height + halo.top + halo.bottom, width + halo.left + halo.right]
 * @param out [bands, height, width]
 */
export const applyConvWindow = (
  { bands, weight, scale, shift }: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  halo: Halo,
  out: Float32Array,
): void => {
  const { address, strip, bytes } = planStrip(bands, width);
  const { memory, kernel } = arenaOf(bytes);
  const floats = new Float32Array(memory.buffer);
  const words = new Int32Array(memory.buffer, address);
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
    words.set(Object.values(strip));
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

/** What {@link convOnCodes} makes of 16-bit codes. */
export interface CodedConv {
  conv: ConvModule;
  /** What each of the 65 536 codes of each band becomes before the conv module, stored units. */
  tables: readonly Float32Array[];
  /** The code of each band that is nodata; −1 where there is none. */
  empty: readonly number[];
  type: 'uint16' | 'int16';
  /** Stands for nodata, and for nothing else: a value that falls on it becomes `beside`. Null: nothing does. */
  nodata: number | null;
  beside: number;
}

/**
 * The conv module between tables and 16-bit samples, in one go over the pixels: the bits of {@link applyConvWindow} on what
 * the tables say, rounded half up and held to the type's range.
 *
 * @returns a function that writes the window [height, width] of each band to `out`, from codes with the neighbours of
 *   `halo`, as {@link applyConvWindow} takes them
 */
export const convOnCodes = ({ conv, tables, empty, type, nodata, beside }: CodedConv) => {
  const { bands } = conv;
  const channels = roundUp(bands, 4);
  const fixed = memoryPlan();
  const strip = new ConvStrip();
  const address = fixed.take(4 * Object.keys(strip).length);
  Object.assign(strip, {
    bands,
    channels,
    weights: fixed.take(16 * channels * bands * 9),
    scale: fixed.take(4 * bands),
    shift: fixed.take(4 * bands),
    taps: fixed.take(4 * 9 * bands),
    tables: fixed.take(4 * tables.length * 65536),
    empty: fixed.take(4 * bands),
    isSigned: Number(type === 'int16'),
    hasNodata: Number(nodata !== null),
    nodata: nodata ?? 0,
    beside,
  } satisfies Partial<ConvStrip>);
  const memory = kernelMemory(fixed.size());
  const kernel = loadKernel<ApplyKernel>('apply', memory);
  const floats = new Float32Array(memory.buffer);
  arrangeWeights(conv.weight, bands, false, floats.subarray(strip.weights / 4));
  floats.set(conv.scale, strip.scale / 4);
  floats.set(conv.shift, strip.shift / 4);
  tables.forEach((table, band) => {
    floats.set(table, strip.tables / 4 + band * 65536);
  });
  new Int32Array(memory.buffer).set(empty, strip.empty / 4);

  return (
    codes: readonly Uint16Array[],
    width: number,
    height: number,
    halo: Halo,
    out: readonly (Uint16Array | Int16Array)[],
  ): void => {
    const given = (width + halo.left + halo.right) * (height + halo.top + halo.bottom);
    const rowBytes = roundUp(width, 8) * 4;
    const stride = rowBytes + 32;
    // rows are stored in eights
    const outputPlane = 2 * (width * height + 8);
    const { take, size } = memoryPlan(fixed.size());
    Object.assign(strip, {
      ...halo,
      width,
      rows: height,
      rowBytes,
      stride,
      outputPlane,
      input: take(2 * bands * given + 16),
      output: take(bands * outputPlane),
      ring: take(3 * bands * stride),
      zero: take(rowBytes),
      sums: take(channels * rowBytes),
    } satisfies Partial<ConvStrip>);
    const missing = Math.ceil(size() / 65536) - memory.buffer.byteLength / 65536;
    if (missing > 0) memory.grow(missing);
    new Int32Array(memory.buffer, address).set(Object.values(strip));
    const words = new Uint16Array(memory.buffer);
    words.fill(0, strip.zero / 2, (strip.zero + rowBytes) / 2);
    codes.forEach((band, b) => {
      words.set(band, strip.input / 2 + b * given);
    });
    kernel.alignStrip(address);
    out.forEach((band, b) => {
      const Type = band.constructor as Uint16ArrayConstructor;
      band.set(new Type(memory.buffer, strip.output + b * outputPlane, width * height));
    });
  };
};

/**
 * The conv module at inference, `out = y + ReLU(scale ∘ (weight ⋆ y) + shift)`, zero beyond the image's edge.
 *
 * @param y LUT output, stored units, [bands, height, width]
 * @param out the same shape; not `y` itself
 */
export const applyConv = (
  module: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  out: Float32Array,
): void => applyConvWindow(module, y, width, height, edge, out);
