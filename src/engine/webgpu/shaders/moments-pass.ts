import { normEpsilon } from '../../layout.js';
import { constantsOf, declarations, eachVector, lookUp, overTiles, reduction } from './parts.js';
import { type ShaderShape, vectorsOf } from './shape.js';

/** Vectors that a unit leaves: its pixels; then of each vector of bands a reference, Σ(z − reference), Σ(z − reference)². */
export const momentSlots = (bands: number): number => 1 + 3 * vectorsOf(bands);

/** Look-up, convolution without bias, and the moments of each unit about one of its values. */
export const momentsPass = (shape: ShaderShape): string => {
  const { bands, tile } = shape;
  return `${declarations(shape)}
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
${lookUp(shape, 1)}
${reduction(tile * tile, ['total'])}
${eachVector(bands, (v) => `var<workgroup> reference${v}: vec4f;`)}
${overTiles(
  `    let own = (thread / tileSide + 1u) * lookedSide + thread % tileSide + 1u;
${eachVector(bands, (v) => `    let z${v} = convolve${v}(own);`)}
    if (tile == firstTile) {
      if (thread == 0u) {
${eachVector(bands, (v) => `        reference${v} = z${v};`)}
      }
      workgroupBarrier();
${eachVector(bands, (v) => `      shift${v} = reference${v};`)}
    }
    if (isInside(ownRow, ownColumn)) {
      count += 1.0;
${eachVector(
  bands,
  (v) => `      let d${v} = z${v} - shift${v};
      sum${v} += d${v};
      square${v} += d${v} * d${v};`,
)}
    }`,
  `  var count = 0.0;
${eachVector(bands, (v) => `  var shift${v} = vec4f(0.0);\n  var sum${v} = vec4f(0.0);\n  var square${v} = vec4f(0.0);`)}`,
  `  let pixels = total(thread, vec4f(count, 0.0, 0.0, 0.0));
${eachVector(bands, (v) => `  let first${v} = total(thread, sum${v});\n  let second${v} = total(thread, square${v});`)}
  if (thread == 0u) {
    partials[unit] = pixels;
${eachVector(
  bands,
  (v) => `    partials[${3 * v + 1}u * units + unit] = shift${v};
    partials[${3 * v + 2}u * units + unit] = first${v};
    partials[${3 * v + 3}u * units + unit] = second${v};`,
)}
  }`,
)}`;
};

const threads = 256;

/** Mean and biased variance of z from the units' moments (Chan et al. 1983), and what follows from them. */
export const momentsSum = (shape: ShaderShape): string => {
  const { at } = constantsOf(shape.bands);
  return `${declarations(shape)}
@group(0) @binding(4) var<storage, read> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> constants: array<vec4f>;
struct Moments { count: f32, mean: vec4f, squares: vec4f }
var<workgroup> counts: array<f32, ${threads}>;
var<workgroup> means: array<vec4f, ${threads}>;
var<workgroup> squares: array<vec4f, ${threads}>;
fn keep(thread: u32, own: Moments) {
  counts[thread] = own.count;
  means[thread] = own.mean;
  squares[thread] = own.squares;
}
fn kept(thread: u32) -> Moments { return Moments(counts[thread], means[thread], squares[thread]); }
fn merged(a: Moments, b: Moments) -> Moments {
  let count = a.count + b.count;
  if (b.count == 0.0) { return a; }
  if (a.count == 0.0) { return b; }
  let delta = b.mean - a.mean;
  let share = b.count / count;
  return Moments(count, a.mean + delta * share, a.squares + b.squares + delta * delta * (a.count * share));
}
fn moments(thread: u32, slot: u32) -> Moments {
  let units = unitCount();
  var own = Moments(0.0, vec4f(0.0), vec4f(0.0));
  for (var unit = thread; unit < units; unit += ${threads}u) {
    let count = partials[unit].x;
    let sum = partials[(slot + 1u) * units + unit];
    let shift = sum / count;
    let squares = partials[(slot + 2u) * units + unit] - sum * shift;
    own = merged(own, Moments(count, partials[slot * units + unit] + shift, squares));
  }
  keep(thread, own);
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (thread < half) { keep(thread, merged(kept(thread), kept(thread + half))); }
    workgroupBarrier();
  }
  let result = kept(0u);
  workgroupBarrier();
  return result;
}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32) {
${eachVector(
  shape.bands,
  (v) => `  let all${v} = moments(thread, ${3 * v + 1}u);
  if (thread == 0u) {
    let variance = max(all${v}.squares, vec4f(0.0)) / all${v}.count;
    let inverse = 1.0 / sqrt(variance + ${normEpsilon});
    constants[${at.mean + v}] = all${v}.mean;
    constants[${at.variance + v}] = variance;
    constants[${at.inverse + v}] = inverse;
    constants[${at.scale + v}] = conv.gamma[${v}] * inverse;
  }`,
)}
}
`;
};
