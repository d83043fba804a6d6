import { batchText } from './batch.js';
import { type ShaderShape, vectorsOf } from './shape.js';

const axes = ['x', 'y', 'z', 'w'] as const;

/** Text for each vector of four bands. */
export const eachVector = (bands: number, text: (vector: number) => string, joint = '\n'): string =>
  Array.from({ length: vectorsOf(bands) }, (_, vector) => text(vector)).join(joint);

/** Text for each band. */
export const eachBand = (
  bands: number,
  text: (band: number, vector: number, axis: string) => string,
): string => Array.from({ length: bands }, (_, band) => text(band, band >> 2, axes[band & 3])).join('\n');

/** `vec4f(…)` of what `text` says of the four bands of a vector, 0 beyond the last band. */
const bandsOf = (bands: number, vector: number, text: (band: number, axis: string) => string): string =>
  `vec4f(${axes.map((axis, i) => (4 * vector + i < bands ? text(4 * vector + i, axis) : '0.0')).join(', ')})`;

/** Where each constant stands among the vectors that passes hand on, [bands / 4] each; Σe² is the last. */
export const constantsOf = (bands: number) => {
  const vectors = vectorsOf(bands);
  const names = [
    ...['mean', 'variance', 'inverse', 'scale', 'level', 'slope', 'quanta'],
    ...['slopeSum', 'productSum'],
  ] as const;
  const at = Object.fromEntries(names.map((name, i) => [name, i * vectors]));
  return {
    at: at as Record<(typeof names)[number], number>,
    squares: names.length * vectors,
    length: names.length * vectors + 1,
  };
};

/**
 * What all passes read: the frame (sizes), the conv module, pixels, LUTs. A word of a pixel and band holds the source
 * clipped to its range (15 bits), whether the pixel is valid (1 bit) and the target (16 bits, signed).
 */
export const declarations = ({ bands, knots, tile, samples }: ShaderShape): string => {
  const vectors = vectorsOf(bands);
  return `${batchText(samples, 8)}
const bands = ${bands}u;
const knots = ${knots}u;
const tileSide = ${tile}u;
const threads = ${tile * tile}u;

struct Frame {
  width: u32, height: u32,
  /** Tiles in a row of tiles, and of a sample. */
  across: u32, tiles: u32,
  /** Tiles of a unit of work, units of a sample. */
  tilesPerUnit: u32, unitsPerSample: u32,
}
struct Conv {
  /** [tap][input vector][output vector]; columns are inputs, rows outputs. */
  weights: array<mat4x4f, ${9 * vectors * vectors}>,
  gamma: array<vec4f, ${vectors}>,
  beta: array<vec4f, ${vectors}>,
  /** Knots per stored unit. */
  position: array<vec4f, ${vectors}>,
}
/** Which buffer of pixels is bound. */
struct Chunk { number: u32 }
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<uniform> conv: Conv;
@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read> luts: array<f32>;
@group(0) @binding(9) var<uniform> chunk: Chunk;
fn unitCount() -> u32 { return batch.samples * frame.unitsPerSample; }
`;
};

/** Look-up of a tile with `halo` pixels on each side into workgroup memory, and the convolution there. */
export const lookUp = ({ bands, tile }: ShaderShape, halo: number): string => {
  const vectors = vectorsOf(bands);
  const tap = (i: number): string => `at + ${Math.floor(i / 3)}u * lookedSide + ${i % 3}u - lookedSide - 1u`;
  const convolution = (output: number): string =>
    Array.from({ length: 9 }, (_, i) =>
      eachVector(
        bands,
        (input) => `  z += conv.weights[${(i * vectors + input) * vectors + output}] * y${input}[${tap(i)}];`,
      ),
    ).join('\n');
  return `
const lookedSide = ${tile + 2 * halo}u;
${eachVector(bands, (v) => `var<workgroup> y${v}: array<vec4f, ${(tile + 2 * halo) ** 2}>;`)}

fn readKnots(word: u32, table: u32, scale: f32) -> f32 {
  let position = f32(word & 0x7fffu) * scale;
  let knot = min(u32(position), knots - 2u);
  let lower = luts[table + knot];
  return lower + (position - f32(knot)) * (luts[table + knot + 1u] - lower);
}
${eachVector(
  bands,
  (v) => `fn look${v}(at: u32, plane: u32, table: u32) -> vec4f {
  return ${bandsOf(bands, v, (band, axis) => `readKnots(words[at + ${band}u * plane], table + ${band}u * knots, conv.position[${v}].${axis})`)};
}
fn target${v}(at: u32, plane: u32) -> vec4f {
  return ${bandsOf(bands, v, (band) => `f32(bitcast<i32>(words[at + ${band}u * plane]) >> 16u)`)};
}
fn convolve${v}(at: u32) -> vec4f {
  var z = vec4f(0.0);
${convolution(v)}
  return z;
}`,
)}
fn isInside(row: i32, column: i32) -> bool {
  return row >= 0 && row < i32(frame.height) && column >= 0 && column < i32(frame.width);
}
/** The tile whose first pixel is at \`row\`, \`column\`; zero outside the image, as the convolution pads. */
fn lookTile(row: i32, column: i32, start: u32, table: u32, thread: u32) {
  let plane = frame.width * frame.height;
  for (var i = thread; i < lookedSide * lookedSide; i += threads) {
    let r = row + i32(i / lookedSide) - ${halo};
    let c = column + i32(i % lookedSide) - ${halo};
    if (isInside(r, c)) {
      let at = start + u32(r) * frame.width + u32(c);
${eachVector(bands, (v) => `      y${v}[i] = look${v}(at, plane, table);`)}
    } else {
${eachVector(bands, (v) => `      y${v}[i] = vec4f(0.0);`)}
    }
  }
}
`;
};

/**
 * Sums and maxima over a workgroup, in one order always: `total(thread, share)` and `largest(thread, share)`.
 *
 * @param shares the workgroup's memory for them
 */
export const reduction = (
  threads: number,
  names: readonly ('total' | 'largest')[],
  { type = 'vec4f', shares = 'shares' }: { type?: 'vec4f' | 'vec2f'; shares?: string } = {},
): string => {
  const step = {
    total: `${shares}[thread] += ${shares}[thread + half];`,
    largest: `${shares}[thread] = max(${shares}[thread], ${shares}[thread + half]);`,
  };
  return `
var<workgroup> ${shares}: array<${type}, ${threads}>;
${names
  .map(
    (name) => `fn ${name}(thread: u32, share: ${type}) -> ${type} {
  ${shares}[thread] = share;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (thread < half) { ${step[name]} }
    workgroupBarrier();
  }
  let result = ${shares}[0];
  workgroupBarrier();
  return result;
}`,
  )
  .join('\n')}
`;
};

/** The loop over a unit's tiles; `body` sees row, column (of the tile), tile, and start, table, unit, thread. */
export const overTiles = (body: string, before = '', after = ''): string => `
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let sample = group.y;
  if (batch.places[sample].y != chunk.number) { return; }
  let units = unitCount();
  let unit = sample * frame.unitsPerSample + group.x;
  let plane = frame.width * frame.height;
  let start = batch.places[sample].z;
  let table = sample * bands * knots;
  let firstTile = group.x * frame.tilesPerUnit;
  let endTile = min(firstTile + frame.tilesPerUnit, frame.tiles);
${before}
  for (var tile = firstTile; tile < endTile; tile++) {
    let row = i32((tile / frame.across) * tileSide);
    let column = i32((tile % frame.across) * tileSide);
    let ownRow = row + i32(thread / tileSide);
    let ownColumn = column + i32(thread % tileSide);
    lookTile(row, column, start, table, thread);
    workgroupBarrier();
${body}
    workgroupBarrier();
  }
${after}
}
`;
