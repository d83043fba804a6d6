import { batchText } from './batch.js';
import { reduction } from './parts.js';

/** Where what a training moves lies in the state, in floats. */
export interface StatePlaces {
  theta: number;
  m: number;
  v: number;
  average: number;
  running: number;
  /** Running statistics after this step. */
  moved: number;
  /** 1 from the first step on whose loss is not finite. */
  halted: number;
  size: number;
}

/** What moves some of the weights. */
export enum JobKind {
  /** A channel of a convolution of 3 (over one half of its input), of a transposed one, of a 1×1. */
  conv = 0,
  up = 1,
  point = 2,
  /** A bias whose gradient is the sum of a channel over its first `columns` positions. */
  sum = 3,
  /** Bias, γ and β before and of a norm's channel. */
  batchNorm = 4,
  groupNorm = 5,
  /** The conv module; the running statistics. */
  module = 6,
  running = 7,
}

/** A channel in the arena: its first vector in the first sample, vectors to the next sample and channel, of a row. */
interface ChannelPlace {
  at: number;
  sample: number;
  row: number;
  quads: number;
  isInput: boolean;
}

/** A workgroup's part of the update: gradients of some weights and Adam's step with them. */
export interface Job {
  kind: JobKind;
  left?: ChannelPlace;
  right?: ChannelPlace;
  /** Channels of `right`. */
  columns: number;
  /** The first weight, in theta. */
  parameter: number;
  norm?: { gamma: number; beta: number; z: number; statistics: number; slopes: number };
}

const wordsOfJob = 16;

/** Jobs as shaders read them; threads of a workgroup, a power of two, are shared among columns. */
export const packJobs = (jobs: readonly Job[], threads: number, groups: number): Uint32Array => {
  const words = new Uint32Array(jobs.length * wordsOfJob);
  for (const [i, { kind, left, right, columns, parameter, norm }] of jobs.entries()) {
    const lanes = Math.max(Math.min(8, threads), threads / 2 ** Math.ceil(Math.log2(columns)));
    words.set(
      [
        ...[kind, left?.at ?? 0, left?.sample ?? 0, left?.quads ?? 0],
        ...[right?.at ?? 0, right?.sample ?? 0, right?.row ?? 0, right?.isInput ? 1 : 0],
        ...[columns, parameter, lanes, groups],
        ...[norm?.gamma ?? 0, norm?.beta ?? 0, norm?.statistics ?? 0],
        kind === JobKind.groupNorm ? (norm?.z ?? 0) : (norm?.slopes ?? 0),
      ],
      i * wordsOfJob,
    );
  }
  return words;
};

/**
 * The gradient of every weight and Adam's step with it, all in one dispatch: what the gradient is made of is there, and
 * nobody reads weights any more. Nothing moves from the first loss on that is not finite.
 */
export const updateText = (of: {
  threads: number;
  samples: number;
  state: StatePlaces;
  average: boolean;
  runningCount: number;
  /** Text of the conv module's gradient: `moduleSlope(i)` of its parameter `i`, how many it has, and where they begin. */
  module: { text: string; count: number; parameter: number } | null;
}): string => {
  const { threads, samples, state, average, runningCount, module } = of;
  return `${batchText(samples, 0)}
@group(0) @binding(1) var<storage, read_write> arena: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<vec4f>;
struct Job {
  kind: u32, left: u32, leftSample: u32, quads: u32,
  right: u32, rightSample: u32, rightRow: u32, isInput: u32,
  columns: u32, parameter: u32, lanes: u32, groups: u32,
  gamma: u32, beta: u32, statistics: u32, place: u32,
}
@group(0) @binding(4) var<storage, read> jobs: array<Job>;
const threads = ${threads}u;
${reduction(threads, ['total'])}
${module?.text ?? ''}

fn adam(parameter: u32, gradient: f32) {
  let theta = state[${state.theta}u + parameter];
  let slope = gradient + batch.decay * theta;
  let mean = batch.beta1 * state[${state.m}u + parameter] + batch.rest1 * slope;
  let square = batch.beta2 * state[${state.v}u + parameter] + batch.rest2 * slope * slope;
  state[${state.m}u + parameter] = mean;
  state[${state.v}u + parameter] = square;
  let moved = theta - batch.stepSize * (mean / (sqrt(square) * batch.correction + batch.epsilon));
  state[${state.theta}u + parameter] = moved;
${
  average
    ? `  let before = state[${state.average}u + parameter];
  state[${state.average}u + parameter] = before + batch.averageRest * (moved - before);`
    : ''
}
}
fn rightAt(job: u32, sample: u32) -> u32 {
  return jobs[job].right + select(sample, batch.places[sample].x, jobs[job].isInput == 1u) * jobs[job].rightSample;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let job = jobs[group.x];
  let isHalted = state[${state.halted}u] != 0.0;
  let items = batch.samples * job.quads;
  if (job.kind <= ${JobKind.point}u) {
    let taps = select(select(1u, 2u, job.kind == ${JobKind.up}u), 3u, job.kind == ${JobKind.conv}u);
    let lane = thread % job.lanes;
    let atOnce = threads / job.lanes;
    for (var first = 0u; first < job.columns; first += atOnce) {
      let column = first + thread / job.lanes;
      var acc = vec4f(0.0);
      if (column < job.columns) {
        for (var item = lane; item < items; item += job.lanes) {
          let sample = item / job.quads;
          let q = item % job.quads;
          let left = arena[job.left + sample * job.leftSample + q];
          let at = rightAt(group.x, sample) + column * job.rightRow + q;
          if (job.kind == ${JobKind.conv}u) {
            var here: vec4f;
            var before: f32;
            var behind: f32;
            if (job.isInput == 1u) {
              here = inputs[at];
              before = inputs[at - 1u].w;
              behind = inputs[at + 1u].x;
            } else {
              here = arena[at];
              before = arena[at - 1u].w;
              behind = arena[at + 1u].x;
            }
            acc += vec4f(dot(left, vec4f(before, here.xyz)), dot(left, here), dot(left, vec4f(here.yzw, behind)), 0.0);
          } else if (job.kind == ${JobKind.up}u) {
            let low = arena[at + q];
            let high = arena[at + q + 1u];
            acc += vec4f(dot(left, vec4f(low.xz, high.xz)), dot(left, vec4f(low.yw, high.yw)), 0.0, 0.0);
          } else {
            acc.x += dot(left, arena[at]);
          }
        }
      }
      shares[thread] = acc;
      workgroupBarrier();
      for (var i = thread; i < atOnce * taps; i += threads) {
        let at = first + i / taps;
        if (at < job.columns && !isHalted) {
          var sum = 0.0;
          for (var share = 0u; share < job.lanes; share++) { sum += shares[(i / taps) * job.lanes + share][i % taps]; }
          adam(job.parameter + at * taps + i % taps, sum);
        }
      }
      workgroupBarrier();
    }
  } else if (job.kind == ${JobKind.sum}u) {
    var sum = 0.0;
    for (var item = thread; item < items; item += threads) {
      let q = item % job.quads;
      let value = arena[job.left + (item / job.quads) * job.leftSample + q];
      let within = vec4u(4u * q) + vec4u(0u, 1u, 2u, 3u) < vec4u(job.columns);
      sum += dot(select(vec4f(0.0), value, within), vec4f(1.0));
    }
    let all = total(thread, vec4f(sum, 0.0, 0.0, 0.0));
    if (thread == 0u && !isHalted) { adam(job.parameter, all.x); }
  } else if (job.kind == ${JobKind.batchNorm}u) {
    if (thread == 0u && !isHalted) {
      let gain = state[${state.theta}u + job.gamma] * state[job.statistics + 1u];
      let beta = state[job.place];
      // the batch's mean takes the bias away again
      adam(job.parameter, select(gain * beta, 0.0, batch.byBatch == 1u));
      adam(job.gamma, state[job.place + 1u]);
      adam(job.beta, beta);
    }
  } else if (job.kind == ${JobKind.groupNorm}u) {
    var sum = vec4f(0.0);
    for (var item = thread; item < items; item += threads) {
      let sample = item / job.quads;
      let q = item % job.quads;
      let statistics = job.statistics + 2u * job.groups * sample;
      let passed = arena[job.right + sample * job.rightSample + q];
      let deviation = arena[job.place + sample * job.leftSample + q] - state[statistics];
      sum += vec4f(
        dot(arena[job.left + sample * job.leftSample + q], vec4f(1.0)),
        dot(passed, deviation) * state[statistics + 1u],
        dot(passed, vec4f(1.0)),
        0.0,
      );
    }
    let all = total(thread, sum);
    if (thread == 0u && !isHalted) {
      adam(job.parameter, all.x);
      adam(job.gamma, all.y);
      adam(job.beta, all.z);
    }
  } else if (job.kind == ${JobKind.running}u) {
    for (var i = thread; i < ${runningCount}u; i += threads) {
      if (!isHalted) { state[${state.running}u + i] = state[${state.moved}u + i]; }
    }
  }${
    module
      ? ` else {
    for (var i = thread; i < ${module.count}u; i += threads) {
      if (!isHalted) { adam(${module.parameter}u + i, moduleSlope(i)); }
    }
  }`
      : ''
  }
}
`;
};
