import { errorOf, normConstants } from './error-pass.js';
import { constantsOf, declarations, eachBand, eachVector, lookUp, overTiles, reduction } from './parts.js';
import { type ShaderShape, vectorsOf } from './shape.js';

/** Columns of the weights' gradient, vectors of four outputs: [tap][input vector][output vector][4]. */
export const weightColumns = (bands: number): number => 36 * vectorsOf(bands) ** 2;

/**
 * Adds whole quanta to a sum of 64 bits, two words, least first: sums of whole numbers are the same in every order, and
 * threads may come in any.
 */
const addQuanta = (name: string, array: string): string => `
fn ${name}(at: u32, low: u32, high: u32) {
  let before = atomicAdd(&${array}[2u * at], low);
  let carried = high + select(0u, 1u, before > ~low);
  if (carried != 0u) { atomicAdd(&${array}[2u * at + 1u], carried); }
}`;

/** Error, convolution and their gradients at a place of the image that is in the looked-up tile at `own`. */
const slopeAt = (bands: number): string => `      let valid = (words[at] & 0x8000u) != 0u;
${eachVector(bands, (v) => `      let looked${v} = y${v}[own];\n      let convolved${v} = convolve${v}(own);`)}
${errorOf(bands, 'valid', 'at')}`;

const slopes = (bands: number, place: string): string =>
  eachVector(bands, (v) => `      dz${v}[${place}] = scale${v} * da${v} - level${v} - c${v} * slope${v};`);

/**
 * dz of a tile and its neighbours, from there the gradient of the LUT outputs, added up by knot as whole quanta, and the
 * 3×3 weights' gradient. All without the factor 2 / (n·C), which the host brings in.
 */
export const gradientPass = (shape: ShaderShape): string => {
  const { bands, knots, tile, ownSums } = shape;
  const vectors = vectorsOf(bands);
  const { at } = constantsOf(bands);
  const threads = tile * tile;
  // a tap's pixels are shared among so many threads
  const perTap = Math.floor(threads / 9);
  const turned = (input: number): string =>
    Array.from({ length: 9 }, (_, i) =>
      eachVector(
        bands,
        (output) =>
          `      dy${input} += dz${output}[place + slopeSide + 1u - ${Math.floor(i / 3)}u * slopeSide - ${i % 3}u] * conv.weights[${(i * vectors + input) * vectors + output}];`,
      ),
    ).join('\n');
  const eachColumn = (text: (name: string, input: number, output: number, axis: number) => string): string =>
    eachVector(bands, (input) =>
      eachVector(bands, (output) =>
        [0, 1, 2, 3].map((axis) => text(`column${input}_${output}_${axis}`, input, output, axis)).join('\n'),
      ),
    );
  const add = ownSums ? 'addOwn' : 'addAll';
  return `${declarations(shape)}
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> constants: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> knotSums: array<atomic<u32>>;
${lookUp(shape, 2)}
const slopeSide = ${tile + 2}u;
const perTap = ${perTap}u;
${eachVector(bands, (v) => `var<workgroup> dz${v}: array<vec4f, ${(tile + 2) ** 2}>;`)}
${ownSums ? `var<workgroup> ownSums: array<atomic<u32>, ${2 * bands * knots}>;${addQuanta('addOwn', 'ownSums')}` : ''}
${addQuanta('addAll', 'knotSums')}
fn addToKnots(word: u32, scale: f32, gradient: f32, quanta: f32, table: u32) {
  let position = f32(word & 0x7fffu) * scale;
  let knot = min(u32(position), knots - 2u);
  let whole = gradient * quanta;
  let all = i32(round(whole));
  let upper = i32(round(whole * (position - f32(knot))));
  let lower = all - upper;
  if (lower != 0) { ${add}(table + knot, bitcast<u32>(lower), select(0u, 0xffffffffu, lower < 0)); }
  if (upper != 0) { ${add}(table + knot + 1u, bitcast<u32>(upper), select(0u, 0xffffffffu, upper < 0)); }
}
${overTiles(
  `    let place = (thread / tileSide + 1u) * slopeSide + thread % tileSide + 1u;
    let isOwn = isInside(ownRow, ownColumn);
${eachVector(bands, (v) => `    var dy${v} = vec4f(0.0);`)}
    if (isOwn) {
      let own = (thread / tileSide + 2u) * lookedSide + thread % tileSide + 2u;
      let at = start + u32(ownRow) * frame.width + u32(ownColumn);
${slopeAt(bands)}
${slopes(bands, 'place')}
${eachVector(bands, (v) => `      dy${v} = e${v};`)}
    } else {
${eachVector(bands, (v) => `      dz${v}[place] = vec4f(0.0);`)}
    }
    // the pixels around the tile
    if (thread < 4u * tileSide + 4u) {
      var r = 0u;
      var c = thread;
      if (thread >= 2u * slopeSide) {
        r = 1u + (thread - 2u * slopeSide) / 2u;
        c = ((thread - 2u * slopeSide) % 2u) * (slopeSide - 1u);
      } else if (thread >= slopeSide) {
        r = slopeSide - 1u;
        c = thread - slopeSide;
      }
      let beside = r * slopeSide + c;
      let besideRow = row + i32(r) - 1;
      let besideColumn = column + i32(c) - 1;
      if (isInside(besideRow, besideColumn)) {
      let own = (r + 1u) * lookedSide + c + 1u;
      let at = start + u32(besideRow) * frame.width + u32(besideColumn);
${slopeAt(bands)}
${slopes(bands, 'beside')}
      } else {
${eachVector(bands, (v) => `        dz${v}[beside] = vec4f(0.0);`)}
      }
    }
    workgroupBarrier();
    if (isOwn) {
${eachVector(bands, turned)}
      let at = start + u32(ownRow) * frame.width + u32(ownColumn);
${eachBand(
  bands,
  (band, v, axis) =>
    `      addToKnots(words[at + ${band}u * plane], conv.position[${v}].${axis}, dy${v}.${axis}, constants[${at.quanta + v}].${axis}, ${ownSums ? '' : 'table + '}${band}u * knots);`,
)}
    }
    if (thread < 9u * perTap) {
      let tap = thread / perTap;
      for (var i = thread % perTap; i < threads; i += perTap) {
        let r = i / tileSide;
        let c = i % tileSide;
        let beneath = (r + 1u + tap / 3u) * lookedSide + c + 1u + tap % 3u;
        let here = (r + 1u) * slopeSide + c + 1u;
${eachVector(bands, (v) => `        let dzHere${v} = dz${v}[here];\n        let from${v} = y${v}[beneath];`)}
${eachColumn((name, input, output, axis) => `        ${name} += dzHere${output} * from${input}[${axis}];`)}
      }
    }`,
  `${normConstants(bands, ['mean', 'scale', 'level', 'slope'])}
${eachColumn((name) => `  var ${name} = vec4f(0.0);`)}
${
  ownSums
    ? `  for (var i = thread; i < ${2 * bands * knots}u; i += threads) { atomicStore(&ownSums[i], 0u); }
  workgroupBarrier();`
    : ''
}`,
  `${eachColumn(
    (name, input, output, axis) => `  dz0[thread] = ${name};
  workgroupBarrier();
  if (thread < 9u) {
    var sum = vec4f(0.0);
    for (var i = 0u; i < perTap; i++) { sum += dz0[thread * perTap + i]; }
    partials[(((thread * ${vectors}u + ${input}u) * ${vectors}u + ${output}u) * 4u + ${axis}u) * units + unit] = sum;
  }
  workgroupBarrier();`,
  )}
${
  ownSums
    ? `  for (var i = thread; i < ${bands * knots}u; i += threads) {
    let low = atomicLoad(&ownSums[2u * i]);
    let high = atomicLoad(&ownSums[2u * i + 1u]);
    if ((low | high) != 0u) { addAll(table + i, low, high); }
  }`
    : ''
}`,
)}`;
};

const threads = 64;

/** Sums of the units' columns of the weights' gradient; a workgroup a column. */
export const weightsSum = (shape: ShaderShape): string => `${declarations(shape)}
@group(0) @binding(4) var<storage, read> partials: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> weightSums: array<vec4f>;
${reduction(threads, ['total'])}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let units = unitCount();
  var own = vec4f(0.0);
  for (var unit = thread; unit < units; unit += ${threads}u) { own += partials[group.x * units + unit]; }
  let sum = total(thread, own);
  if (thread == 0u) { weightSums[group.x] = sum; }
}
`;
