import { constantsOf, declarations, eachVector, lookUp, overTiles, reduction } from './parts.js';
import { type ShaderShape, vectorsOf } from './shape.js';

/** Vectors that a unit leaves: Σe²; then of each vector of bands Σda, Σda·(z − mean), max |e|, max |z − mean|. */
export const errorSlots = (bands: number): number => 1 + 4 * vectorsOf(bands);

/** `c${v}`, `a${v}`, `e${v}` and `da${v}` of a pixel from its `y${v}` and `z${v}` (here `looked` and `convolved`). */
export const errorOf = (bands: number, valid: string, at: string): string =>
  eachVector(
    bands,
    (v) => `      let c${v} = convolved${v} - mean${v};
      let a${v} = c${v} * scale${v} + conv.beta[${v}];
      let e${v} = select(vec4f(0.0), looked${v} + max(a${v}, vec4f(0.0)) - target${v}(${at}, plane), ${valid});
      let da${v} = select(vec4f(0.0), e${v}, a${v} > vec4f(0.0));`,
  );

/** Brings the constants of batch norm into variables of a thread. */
export const normConstants = (
  bands: number,
  names: readonly ('mean' | 'scale' | 'level' | 'slope')[],
): string => {
  const { at } = constantsOf(bands);
  return eachVector(bands, (v) =>
    names.map((name) => `  let ${name}${v} = constants[${at[name] + v}];`).join('\n'),
  );
};

/** The loss of each unit and the sums that the gradient of batch norm needs: e the error, da that of a = BN(z) > 0. */
export const errorPass = (shape: ShaderShape): string => {
  const { bands, tile } = shape;
  return `${declarations(shape)}
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> constants: array<vec4f>;
${lookUp(shape, 1)}
${reduction(tile * tile, ['total', 'largest'])}
${overTiles(
  `    if (isInside(ownRow, ownColumn)) {
      let own = (thread / tileSide + 1u) * lookedSide + thread % tileSide + 1u;
      let at = start + u32(ownRow) * frame.width + u32(ownColumn);
      let valid = (words[at] & 0x8000u) != 0u;
${eachVector(bands, (v) => `      let looked${v} = y${v}[own];\n      let convolved${v} = convolve${v}(own);`)}
${errorOf(bands, 'valid', 'at')}
${eachVector(
  bands,
  (v) => `      squares += dot(e${v}, e${v});
      slopeSum${v} += da${v};
      productSum${v} += da${v} * c${v};
      furthest${v} = max(furthest${v}, abs(e${v}));
      widest${v} = max(widest${v}, abs(c${v}));`,
)}
    }`,
  `${normConstants(bands, ['mean', 'scale'])}
  var squares = 0.0;
${eachVector(bands, (v) =>
  ['slopeSum', 'productSum', 'furthest', 'widest']
    .map((name) => `  var ${name}${v} = vec4f(0.0);`)
    .join('\n'),
)}`,
  `  let allSquares = total(thread, vec4f(squares, 0.0, 0.0, 0.0));
${eachVector(
  bands,
  (v) => `  let allSlope${v} = total(thread, slopeSum${v});
  let allProduct${v} = total(thread, productSum${v});
  let allFurthest${v} = largest(thread, furthest${v});
  let allWidest${v} = largest(thread, widest${v});`,
)}
  if (thread == 0u) {
    partials[unit] = allSquares;
${eachVector(
  bands,
  (v) => `    partials[${4 * v + 1}u * units + unit] = allSlope${v};
    partials[${4 * v + 2}u * units + unit] = allProduct${v};
    partials[${4 * v + 3}u * units + unit] = allFurthest${v};
    partials[${4 * v + 4}u * units + unit] = allWidest${v};`,
)}
  }`,
)}`;
};

const threads = 256;

/**
 * Sums of the units, batch norm's terms in dz = scale·da − level − (z − mean)·slope, and how many quanta a unit of the LUT
 * outputs' gradient is: from bounds, so that no pixel's gradient exceeds 31 bits.
 */
export const errorSum = (shape: ShaderShape): string => {
  const { bands } = shape;
  const { at, squares } = constantsOf(bands);
  const vectors = vectorsOf(bands);
  const reach = (input: number): string =>
    eachVector(
      bands,
      (
        output,
      ) => `      let w${output} = conv.weights[(tap * ${vectors}u + ${input}u) * ${vectors}u + ${output}u];
      bound += vec4f(dot(abs(w${output}[0]), most${output}), dot(abs(w${output}[1]), most${output}), dot(abs(w${output}[2]), most${output}), dot(abs(w${output}[3]), most${output}));`,
    );
  return `${declarations(shape)}
@group(0) @binding(4) var<storage, read> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> constants: array<vec4f>;
${reduction(threads, ['total', 'largest'])}
fn totalOf(thread: u32, slot: u32) -> vec4f {
  var own = vec4f(0.0);
  for (var unit = thread; unit < unitCount(); unit += ${threads}u) { own += partials[slot * unitCount() + unit]; }
  return total(thread, own);
}
fn largestOf(thread: u32, slot: u32) -> vec4f {
  var own = vec4f(0.0);
  for (var unit = thread; unit < unitCount(); unit += ${threads}u) { own = max(own, partials[slot * unitCount() + unit]); }
  return largest(thread, own);
}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32) {
  let squares = totalOf(thread, 0u);
${eachVector(
  bands,
  (v) => `  let slopeSum${v} = totalOf(thread, ${4 * v + 1}u);
  let productSum${v} = totalOf(thread, ${4 * v + 2}u);
  let furthest${v} = largestOf(thread, ${4 * v + 3}u);
  let widest${v} = largestOf(thread, ${4 * v + 4}u);`,
)}
  if (thread > 0u) { return; }
  constants[${squares}] = squares;
  let perPixel = batch.perPixel;
${eachVector(
  bands,
  (v) => `  let scale${v} = constants[${at.scale + v}];
  let inverse${v} = constants[${at.inverse + v}];
  let level${v} = scale${v} * slopeSum${v} * perPixel;
  let slope${v} = scale${v} * inverse${v} * inverse${v} * productSum${v} * perPixel;
  let most${v} = abs(scale${v}) * furthest${v} + abs(level${v}) + widest${v} * abs(slope${v});
  constants[${at.level + v}] = level${v};
  constants[${at.slope + v}] = slope${v};
  constants[${at.slopeSum + v}] = slopeSum${v};
  constants[${at.productSum + v}] = productSum${v};`,
)}
${eachVector(
  bands,
  (v) => `  {
    var bound = furthest${v};
    for (var tap = 0u; tap < 9u; tap++) {
${reach(v)}
    }
    // half of the range stays free for rounding
    constants[${at.quanta + v}] = select(vec4f(0.0), 1073741824.0 / bound, bound > vec4f(0.0));
  }`,
)}
}
`;
};
