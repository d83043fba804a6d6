import { normEpsilon, normMomentum } from '../../layout.js';
import { batchText } from './batch.js';
import { reduction } from './parts.js';

/**
 * Rows of a tensor [samples, channels, length] in the arena: vectors of four positions, with a vector before and one behind
 * each row, and positions beyond the length, that stay zero.
 */
export interface Rows {
  /** First vector. */
  at: number;
  channels: number;
  length: number;
  /** Vectors of a row without and with those around it. */
  quads: number;
  row: number;
  /** It lies among the inputs, by row of the table. */
  isInput?: boolean;
  /** The second half of the channels alone. */
  half?: boolean;
}

/** What norms and kernels of one UNet share. */
interface Common {
  /** Threads of a workgroup, a power of two. */
  threads: number;
  samples: number;
  norm: 'batch' | 'group';
  groups: number;
}

interface NormPlaces {
  /** Before the norm; behind the ReLU; gradients behind the ReLU and by z. */
  z: Rows;
  a: Rows;
  da: Rows;
  dz: Rows;
  /** In the state. */
  bias: number;
  gamma: number;
  beta: number;
  running: number;
  moved: number;
  statistics: number;
  slopes: number;
}

/**
 * A convolution over positions of one or two tensors, and what comes after it: the norm and ReLU of a layer (and its pool),
 * the gradient of these, or nothing. A workgroup has what one norm is over: a channel of all samples, or with group norm
 * the group of one sample. So a layer is one dispatch.
 */
export interface Convolution extends Common {
  sources: readonly Rows[];
  /** 3, or 2 of a transposed convolution's gradient, or 1. */
  taps: 1 | 2 | 3;
  /** Place of the first of a weight's taps in the state. */
  weight: (channel: string, j: string) => string;
  /** The taps from last to first. */
  turned: boolean;
  after:
    | { kind: 'norm'; norm: NormPlaces; pool: Rows | null }
    | {
        kind: 'slope';
        norm: NormPlaces;
        /** Where the layer was pooled: what else its output's gradient is the sum of; the convolution's result goes through the pool. */
        skip: Rows | null;
      }
    | { kind: 'none'; out: Rows };
}

const declarations = ({ samples, threads }: Common): string => `${batchText(samples, 0)}
@group(0) @binding(1) var<storage, read_write> arena: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<vec4f>;
const threads = ${threads}u;
`;

const powerBelow = (count: number): number => 2 ** Math.floor(Math.log2(Math.max(1, count)));
const powerAbove = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, count)));

/** First vector of a row, `channel` and `sample` being expressions. */
const rowOf = ({ at, channels, row, half }: Rows, sample: string, channel: string): string =>
  `${at + 1 + (half ? (channels / 2) * row : 0)}u + (${sample} * ${channels}u + ${channel}) * ${row}u`;

/** A vector with what lies beyond the length made zero. */
const inside = (value: string, q: string, { length, quads }: Rows): string =>
  length === 4 * quads
    ? value
    : `select(vec4f(0.0), ${value}, vec4u(4u * (${q})) + vec4u(0u, 1u, 2u, 3u) < vec4u(${length}u))`;

/** The sum over the channels of the sources and the taps: threads share channels out where there are few positions. */
const accumulate = (of: {
  threads: number;
  items: number;
  columns: number;
  taps: 1 | 2 | 3;
  sources: readonly Rows[];
  /** Weight of tap `t` of column `j`. */
  tap: (j: string, t: number) => string;
  /** Two sums, one a tap, of a transposed convolution. */
  apart: boolean;
}): { lanes: number; splits: number; text: string } => {
  const { threads, items, columns, taps, sources, tap, apart } = of;
  const lanes = Math.min(threads, powerAbove(items));
  const splits = Math.min(threads / lanes, powerBelow(columns));
  const each = Math.ceil(columns / splits);
  const [first, second] = sources;
  const from = first.isInput ? 'inputs' : 'arena';
  const sample = first.isInput ? 'batch.places[sample].x' : 'sample';
  const starts = (j: string): string =>
    second
      ? `select(${rowOf(first, sample, j)}, ${rowOf(second, sample, `(${j} - ${first.channels}u)`)}, ${j} >= ${first.channels}u)`
      : rowOf(first, sample, j);
  // what some columns need is read before the first of it is used: waiting for memory is most of such a loop
  const atOnce = [4, 2, 1].find((count) => each % count === 0 && columns % count === 0)!;
  const names = Array.from({ length: atOnce }, (_, i) => String(i));
  const reads = (i: string): string =>
    ({
      3: `let here${i} = ${from}[at${i}];
        let before${i} = ${from}[at${i} - 1u].w;
        let behind${i} = ${from}[at${i} + 1u].x;`,
      2: apart
        ? `let here${i} = ${from}[at${i}];`
        : `let low${i} = ${from}[at${i} + q];
        let high${i} = ${from}[at${i} + q + 1u];`,
      1: `let here${i} = ${from}[at${i}];`,
    })[taps];
  const sums = (i: string): string => {
    const w = (t: number): string => tap(`(j + ${i}u)`, t);
    if (apart)
      return `acc += ${w(0)} * here${i};
        acc2 += ${w(1)} * here${i};`;
    return {
      3: `acc += ${w(0)} * vec4f(before${i}, here${i}.xyz) + ${w(1)} * here${i} + ${w(2)} * vec4f(here${i}.yzw, behind${i});`,
      2: `acc += ${w(0)} * vec4f(low${i}.xz, high${i}.xz) + ${w(1)} * vec4f(low${i}.yw, high${i}.yw);`,
      1: `acc += ${w(0)} * here${i};`,
    }[taps];
  };
  const shared = (name: string): string =>
    splits === 1
      ? ''
      : `shares[thread] = ${name};
    workgroupBarrier();
    if (split == 0u) {
      for (var i = 1u; i < ${splits}u; i++) { ${name} += shares[i * ${lanes}u + lane]; }
    }
    workgroupBarrier();`;
  return {
    lanes,
    splits,
    text: `var acc = vec4f(0.0);
    ${apart ? 'var acc2 = vec4f(0.0);' : ''}
    if (item < items && split < ${splits}u) {
      for (var j = split * ${each}u; j < min(${columns}u, (split + 1u) * ${each}u); j += ${atOnce}u) {
        ${names.map((i) => `let at${i} = ${starts(`(j + ${i}u)`)} + q;`).join('\n        ')}
        ${names.map(reads).join('\n        ')}
        ${names.map(sums).join('\n        ')}
      }
    }
    ${shared('acc')}
    ${apart ? shared('acc2') : ''}`,
  };
};

/** See {@link Convolution}. */
export const convolutionText = (of: Convolution): string => {
  const { threads, samples, groups, sources, taps, weight, turned, after } = of;
  const out = after.kind === 'none' ? after.out : after.norm.z;
  const isGroup = of.norm === 'group' && after.kind !== 'none';
  const own = isGroup ? out.channels / groups : 1;
  const isPooled = after.kind === 'slope' && after.skip !== null;
  // a vector of the pooled is two of what was pooled
  const quads = isPooled ? Math.ceil(out.quads / 2) : out.quads;
  const columns = sources.reduce((sum, { channels, half }) => sum + (half ? channels / 2 : channels), 0);
  const order = (t: number): number => (turned ? taps - 1 - t : t);
  const sum = accumulate({
    threads,
    items: isGroup ? own * quads : samples * quads,
    columns,
    taps,
    sources,
    tap: (j, t) =>
      isGroup ? `state[${weight('channel', j)} + ${order(t)}u]` : `weights[${j} * ${taps}u + ${order(t)}u]`,
    apart: false,
  });
  const decodeBy = (each: number): string =>
    isGroup
      ? `let sample = group.x / ${groups}u;
    let channel = (group.x % ${groups}u) * ${own}u + item / ${each}u;
    let q = item % ${each}u;`
      : `let sample = item / ${each}u;
    let channel = group.x;
    let q = item % ${each}u;`;
  const decode = decodeBy(quads);
  const items = isGroup ? `${own * quads}u` : `batch.samples * ${quads}u`;
  /** A loop in which each thread meets the vectors that it met before. */
  const again = (
    body: string,
  ): string => `for (var item = thread; item < items && thread < ${sum.lanes}u; item += ${sum.lanes}u) {
    ${decode}
    ${body}
  }`;
  const start = `@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let items = ${items};
  let lane = thread % ${sum.lanes}u;
  let split = thread / ${sum.lanes}u;
${
  isGroup
    ? ''
    : `  for (var i = thread; i < ${columns * taps}u; i += threads) {
    weights[i] = state[${weight('group.x', `(i / ${taps}u)`)} + i % ${taps}u];
  }
  workgroupBarrier();`
}`;
  const loop = (consume: string): string => `  for (var first = 0u; first < items; first += ${sum.lanes}u) {
    let item = first + lane;
    ${decode}
    ${sum.text}
    if (split == 0u && item < items) {
      ${consume}
    }
  }`;
  const head = `${declarations(of)}
${isGroup ? '' : `var<workgroup> weights: array<f32, ${columns * taps}>;`}
${sum.splits > 1 ? `var<workgroup> shares: array<vec4f, threads>;` : ''}
${after.kind === 'none' ? '' : reduction(of.threads, ['total'], { type: 'vec2f', shares: 'sums' })}`;

  if (after.kind === 'none')
    return `${head}
${start}
${loop(`arena[${rowOf(out, 'sample', 'channel')} + q] = ${inside('acc', 'q', out)};`)}
}
`;

  const { norm } = after;
  const count = isGroup ? `${own * out.length}.0` : `f32(batch.samples * ${out.length}u)`;
  const statistics = `${norm.statistics}u + 2u * group.x`;
  const affine = `let gain = state[${norm.gamma}u + channel] * inverse;
    let shift = state[${norm.beta}u + channel];`;

  if (after.kind === 'norm') {
    const { pool } = after;
    const pooling = pool
      ? `  storageBarrier();
  for (var item = thread; item < ${isGroup ? `${own * pool.quads}u` : `batch.samples * ${pool.quads}u`}; item += threads) {
    ${decodeBy(pool.quads)}
    let at = ${rowOf(norm.a, 'sample', 'channel')} + 2u * q;
    let low = arena[at];
    let high = arena[at + 1u];
    arena[${rowOf(pool, 'sample', 'channel')} + q] = ${inside('vec4f(max(low.xz, low.yw), max(high.xz, high.yw))', 'q', pool)};
  }`
      : '';
    const byBatch = `mean = total(thread, vec2f(sum, 0.0)).x / ${count};
    var squares = 0.0;
    ${again(`let d = ${inside(`(arena[${rowOf(norm.z, 'sample', 'channel')} + q] - mean)`, 'q', out)};
    squares += dot(d, d);`)}
    variance = total(thread, vec2f(squares, 0.0)).x / ${count};`;
    return `${head}
${start}
  var sum = 0.0;
${loop(`let value = ${inside(`(acc + state[${norm.bias}u + channel])`, 'q', out)};
      arena[${rowOf(norm.z, 'sample', 'channel')} + q] = value;
      sum += value.x + value.y + value.z + value.w;`)}
  var mean = 0.0;
  var variance = 0.0;
${
  isGroup
    ? byBatch
    : `  let runningMean = state[${norm.running}u + group.x];
  let runningVariance = state[${norm.running + out.channels}u + group.x];
  if (batch.byBatch == 1u) {
    ${byBatch}
  } else {
    mean = runningMean;
    variance = runningVariance;
  }`
}
  let inverse = 1.0 / sqrt(variance + ${normEpsilon});
  if (thread == 0u) {
    state[${statistics}] = mean;
    state[${statistics} + 1u] = inverse;
${
  isGroup
    ? ''
    : `    let unbiased = variance * ${count} / max(${count} - 1.0, 1.0);
    let byBatch = batch.byBatch == 1u;
    state[${norm.moved}u + group.x] = select(runningMean, ${1 - normMomentum} * runningMean + ${normMomentum} * mean, byBatch);
    state[${norm.moved + out.channels}u + group.x] = select(runningVariance, ${1 - normMomentum} * runningVariance + ${normMomentum} * unbiased, byBatch);`
}
  }
  ${again(`${affine}
    let value = max(vec4f(0.0), (arena[${rowOf(norm.z, 'sample', 'channel')} + q] - mean) * gain + shift);
    arena[${rowOf(norm.a, 'sample', 'channel')} + q] = ${inside('value', 'q', out)};`)}
${pooling}
}
`;
  }

  const { skip } = after;
  const accept = (da: string, q: string): string => `{
        let deviation = arena[${rowOf(norm.z, 'sample', 'channel')} + ${q}] - mean;
        let passed = ${inside(`select(vec4f(0.0), ${da}, deviation * gain + shift > vec4f(0.0))`, q, out)};
        arena[${rowOf(norm.da, 'sample', 'channel')} + ${q}] = passed;
        let weighed = ${isGroup ? `passed * state[${norm.gamma}u + channel]` : 'passed'};
        sum += vec2f(weighed.x + weighed.y + weighed.z + weighed.w, dot(weighed, deviation) * inverse);
      }`;
  const consume = skip
    ? `let pooled = ${inside('acc', 'q', { ...skip, length: skip.length >> 1, quads: -1 })};
      for (var h = 0u; h < 2u; h++) {
        let own = 2u * q + h;
        if (own < ${out.quads}u) {
          let value = arena[${rowOf(norm.a, 'sample', 'channel')} + own];
          let slope = select(pooled.xy, pooled.zw, h == 1u);
          let toFirst = value.xz >= value.yw;
          let low = select(vec2f(0.0), slope, toFirst);
          let high = select(slope, vec2f(0.0), toFirst);
          let all = arena[${rowOf(skip, 'sample', 'channel')} + own] + vec4f(low.x, high.x, low.y, high.y);
          ${accept('all', 'own')}
        }
      }`
    : accept('acc', 'q');
  const spread = (q: string): string => `{
      let deviation = arena[${rowOf(norm.z, 'sample', 'channel')} + ${q}] - mean;
      let passed = arena[${rowOf(norm.da, 'sample', 'channel')} + ${q}];
      let slope = ${
        isGroup
          ? `inverse * (passed * state[${norm.gamma}u + channel] - level - deviation * tilt)`
          : `gain * (passed - level - deviation * tilt)`
      };
      arena[${rowOf(norm.dz, 'sample', 'channel')} + ${q}] = ${inside('slope', q, out)};
    }`;
  return `${head}
${start}
  let mean = state[${statistics}];
  let inverse = state[${statistics} + 1u];
  var sum = vec2f(0.0);
${loop(`${affine}
      ${consume}`)}
  let all = total(thread, sum);
  let share = ${isGroup ? `1.0 / ${count}` : `select(0.0, 1.0 / ${count}, batch.byBatch == 1u)`};
  let level = all.x * share;
  let tilt = all.y * share * inverse;
${
  isGroup
    ? ''
    : `  if (thread == 0u) {
    state[${norm.slopes}u + 2u * group.x] = all.x;
    state[${norm.slopes}u + 2u * group.x + 1u] = all.y;
  }`
}
  ${again(`${affine}
    ${
      skip
        ? `for (var h = 0u; h < 2u; h++) {
      let own = 2u * q + h;
      if (own < ${out.quads}u) ${spread('own')}
    }`
        : spread('q')
    }`)}
}
`;
};

/** A transposed convolution of 2, stride 2: a workgroup has a channel of all samples. */
export const upText = (of: Common & { source: Rows; out: Rows; weight: number; bias: number }): string => {
  const { threads, samples, source, out, weight, bias } = of;
  const sum = accumulate({
    threads,
    items: samples * source.quads,
    columns: source.channels,
    taps: 2,
    sources: [source],
    tap: (j, t) => `weights[${j} * 2u + ${t}u]`,
    apart: true,
  });
  const filled = { ...out, length: 2 * source.length, quads: -1 };
  return `${declarations(of)}
var<workgroup> weights: array<f32, ${2 * source.channels}>;
${sum.splits > 1 ? `var<workgroup> shares: array<vec4f, threads>;` : ''}
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let items = batch.samples * ${source.quads}u;
  let lane = thread % ${sum.lanes}u;
  let split = thread / ${sum.lanes}u;
  let level = state[${bias}u + group.x];
  for (var i = thread; i < ${2 * source.channels}u; i += threads) {
    weights[i] = state[${weight}u + ((i / 2u) * ${out.channels}u + group.x) * 2u + i % 2u];
  }
  workgroupBarrier();
  for (var first = 0u; first < items; first += ${sum.lanes}u) {
    let item = first + lane;
    let sample = item / ${source.quads}u;
    let q = item % ${source.quads}u;
    ${sum.text}
    if (split == 0u && item < items) {
      let even = acc + level;
      let odd = acc2 + level;
      let at = ${rowOf(out, 'sample', 'group.x')} + 2u * q;
      let low = vec4f(even.x, odd.x, even.y, odd.y);
      let high = vec4f(even.z, odd.z, even.w, odd.w);
      arena[at] = ${inside('low', '2u * q', filled)};
      arena[at + 1u] = ${inside('high', '2u * q + 1u', filled)};
    }
  }
}
`;
};
