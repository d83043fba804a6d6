import type { UnetPlan } from '../unet-plan.js';
import { batchText } from './batch.js';
import { reduction } from './parts.js';
import type { Rows } from './unet.js';

/** What the kernels behind the UNet are written for. */
export interface HeadShape {
  threads: number;
  samples: number;
  bands: number;
  knots: number;
  plan: UnetPlan;
  /** Weight and bias of the last, 1×1 convolution, in the state. */
  weight: number;
  bias: number;
  /** Stored units of a 1 in the output; whether it corrects a base LUT. */
  scale: number;
  hasBase: boolean;
  /** Weights of total variation and monotonicity; null: none is computed. */
  penalties: { tv: number; monotonicity: number } | null;
}

/** Floats of the statistics before the first row: identity and base LUTs; and of a row. */
export const statisticsHead = (bands: number, knots: number): number => 2 * bands * knots;
export const statisticsRow = (bands: number, knots: number): number => 3 * bands * knots + bands;

const float = (value: number): string => {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
};

const declarations = ({ samples, threads, bands, knots }: HeadShape): string => `${batchText(samples, 0)}
@group(0) @binding(1) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
const threads = ${threads}u;
const bands = ${bands}u;
const knots = ${knots}u;
`;

const rowOf = ({ at, channels, row }: Rows, channel: string): string =>
  `${at + 1}u + (sample * ${channels}u + ${channel}) * ${row}u`;

/** `value` of the output at knot k, `lut` in stored units, and whether its gradient passes. */
const outputOf = ({ plan, weight, bias, scale, hasBase }: HeadShape): string => {
  const { last } = plan;
  return `fn outputAt(sample: u32, band: u32, k: u32) -> f32 {
  var value = state[${bias}u + band];
  for (var c = 0u; c < ${last.channels}u; c++) {
    value += state[${weight}u + band * ${last.channels}u + c] * arena[4u * (${rowOf(last, 'c')}) + k];
  }
  return value;
}
fn lutOf(value: f32, band: u32, k: u32) -> f32 {
  return ${hasBase ? `statistics[bands * knots + band * knots + k] + value * ${float(scale)}` : `max(0.0, value) * ${float(scale)}`};
}`;
};

/** From `slope`, the gradient of the error by the LUT at knot k: with the penalties, to that by the output. */
const hand = ({ plan, scale, hasBase, penalties, knots }: HeadShape): string => {
  const factor = knots / (knots - 1);
  return `${
    penalties
      ? `    let here = lut[k];
    let fall = here - lut[min(k + 1u, knots - 1u)];
    let rise = select(0.0, lut[max(k, 1u) - 1u] - here, k > 0u);
    let weight = select(1.0, 2.0, k == 0u || k == knots - 2u);
    let weightBefore = select(1.0, 2.0, k == 1u || k == knots - 1u);
    let isLast = k == knots - 1u;
    sum.y += select(fall * fall * weight, 0.0, isLast);
    sum.z += select(max(fall, 0.0), 0.0, isLast);
    let bends = 2.0 * (select(fall * weight, 0.0, isLast) - rise * weightBefore);
    let falls = select(0.0, 1.0, fall > 0.0 && !isLast) - select(0.0, 1.0, rise > 0.0);
    slope += ${float(factor * penalties.tv)} * bends + ${float(factor * penalties.monotonicity)} * falls;`
      : ''
  }
    arena[4u * (${rowOf(plan.outGradient, 'band')}) + k] = ${hasBase ? `slope * ${float(scale)}` : `select(0.0, slope * ${float(scale)}, lut[k] > 0.0)`};`;
};

/** Starts a workgroup for a LUT: a band of a sample. */
const perLut = `@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let sample = group.x / bands;
  let band = group.x % bands;
`;

const close = ({ plan }: HeadShape): string => `  let all = total(thread, sum);
  if (thread < 4u) { arena[4u * (${plan.sums}u + group.x) + thread] = all[thread]; }
}
`;

/** LUTs, their error from sufficient statistics, the penalties, and the gradient by the UNet's output. */
export const statisticsHeadText = (of: HeadShape): string => {
  const { bands, knots } = of;
  const size = bands * knots;
  return `${declarations(of)}${reduction(of.threads, ['total'])}
var<workgroup> lut: array<f32, knots>;
${outputOf(of)}
${perLut}
  for (var k = thread; k < knots; k += threads) { lut[k] = lutOf(outputAt(sample, band, k), band, k); }
  workgroupBarrier();
  let identity = band * knots;
  let row = ${statisticsHead(bands, knots)}u + batch.places[sample].x * ${statisticsRow(bands, knots)}u;
  let diagonal = row + band * knots;
  let coupling = diagonal + ${size}u;
  let linear = coupling + ${size}u;
  var sum = vec4f(0.0);
  for (var k = thread; k < knots; k += threads) {
    let delta = lut[k] - statistics[identity + k];
    var product = statistics[diagonal + k] * delta;
    if (k > 0u) { product += statistics[coupling + k - 1u] * (lut[k - 1u] - statistics[identity + k - 1u]); }
    if (k + 1u < knots) { product += statistics[coupling + k] * (lut[k + 1u] - statistics[identity + k + 1u]); }
    let pull = statistics[linear + k];
    sum.x += delta * (product - 2.0 * pull);
    var slope = (product - pull) * batch.factor;
${hand(of)}
  }
  if (thread == 0u) { sum.x += statistics[row + ${3 * size}u + band]; }
${close(of)}`;
};

/** LUTs for the passes over pixels, whose sums by knot begin at zero; the last workgroup makes the conv module's uniform. */
export const lutsText = (of: HeadShape, module: string): string => `${declarations(of)}
@group(0) @binding(5) var<storage, read_write> luts: array<f32>;
@group(0) @binding(6) var<storage, read_write> knotSums: array<u32>;
${outputOf(of)}
${module}
${perLut}
  if (group.x == batch.samples * bands) {
    arrange(thread);
    return;
  }
  for (var k = thread; k < knots; k += threads) {
    let at = group.x * knots + k;
    luts[at] = lutOf(outputAt(sample, band, k), band, k);
    knotSums[2u * at] = 0u;
    knotSums[2u * at + 1u] = 0u;
  }
}
`;

/** The gradient by the UNet's output, from the sums by knot and the penalties. */
export const pixelsHeadText = (
  of: HeadShape,
  quanta: string,
): string => `${declarations(of)}${reduction(of.threads, ['total'])}
@group(0) @binding(5) var<storage, read_write> luts: array<f32>;
@group(0) @binding(6) var<storage, read_write> knotSums: array<u32>;
@group(0) @binding(7) var<storage, read_write> constants: array<f32>;
var<workgroup> lut: array<f32, knots>;
${perLut}
  for (var k = thread; k < knots; k += threads) { lut[k] = luts[group.x * knots + k]; }
  workgroupBarrier();
  let quanta = ${quanta};
  let perQuantum = select(0.0, batch.factor / quanta, quanta > 0.0);
  var sum = vec4f(0.0);
  for (var k = thread; k < knots; k += threads) {
    let at = 2u * (group.x * knots + k);
    var low = knotSums[at];
    var high = knotSums[at + 1u];
    let isNegative = (high & 0x80000000u) != 0u;
    if (isNegative) {
      high = ~high + select(0u, 1u, low == 0u);
      low = ~low + 1u;
    }
    let size = f32(high) * 4294967296.0 + f32(low);
    var slope = select(size, -size, isNegative) * perQuantum;
${hand(of)}
  }
${close(of)}`;

/** The losses of the batch, and whether the training stops moving. */
export const lossesText = (of: HeadShape, module: { squares: string; text: string } | null): string => {
  const { plan, penalties, knots } = of;
  const factor = knots / (knots - 1);
  return `${declarations(of)}${reduction(of.threads, ['total'])}
@group(0) @binding(5) var<storage, read_write> losses: array<vec4f>;
${module?.text ?? ''}
@compute @workgroup_size(threads)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sum = vec4f(0.0);
  for (var i = thread; i < batch.samples * bands; i += threads) {
    let at = 4u * (${plan.sums}u + i);
    sum += vec4f(arena[at], arena[at + 1u], arena[at + 2u], 0.0);
  }
  let all = total(thread, sum);
${module ? '  moveModule(thread);' : ''}
  if (thread > 0u) { return; }
  let mse = ${module?.squares ?? 'all.x'} * batch.perValue;
  let tv = ${float(factor)} * all.y;
  let monotonicity = ${float(factor)} * all.z;
  let loss = mse${penalties ? ` + ${float(penalties.tv)} * tv + ${float(penalties.monotonicity)} * monotonicity` : ''};
  losses[batch.slot] = vec4f(mse, tv, monotonicity, loss);
  if ((bitcast<u32>(loss) & 0x7f800000u) == 0x7f800000u) { state[${plan.state.halted}u] = 1.0; }
}
`;
};
