import { Fault } from '../../fault.js';
import { NormKind } from '../abi.js';
import type { Layout, UnetSpec } from '../layout.js';
import { type Planned, planFor, runProgram } from './unet-memory.js';

/** Samples that go through at once where they do not depend on each other: bounds the memory of large batches. */
const chunk = 32;

export interface UnetInputs {
  spec: UnetSpec;
  /** `unetLayout(spec)` */
  layout: Layout;
  /** All parameters in the order of the layout, [parameterCount]. */
  theta: Float32Array;
  /** Running mean and variance of each batch norm, [runningCount]; none with group norm. */
  running: Float32Array;
  /** Histograms, [samples, bands, knots]. */
  input: Float32Array;
  samples: number;
  /** Batch norm by the statistics of this batch (training) or by `running`. Group norm has no such choice. */
  norm: 'batch' | 'running';
}

/** What a forward pass leaves. Its inputs must stay as they are until {@link UnetPass.backward} was called. */
export interface UnetPass {
  /**
   * Writes the gradient by all parameters, [parameterCount]; histograms and running statistics have none.
   *
   * @param dOut gradient by the output, [samples, bands, knots]
   */
  backward: (dOut: Float32Array, gradient: Float32Array) => void;
}

const check = ({ spec, layout, theta, running, input, samples, norm }: UnetInputs): void => {
  if (input.length !== samples * spec.bands * spec.knots)
    throw new Error(`unet: input has ${input.length} values, not ${samples} × ${spec.bands} × ${spec.knots}`);
  if (theta.length !== layout.parameterCount)
    throw new Error(`unet: theta has ${theta.length} values, not ${layout.parameterCount}`);
  if (running.length !== layout.runningCount)
    throw new Error(`unet: running has ${running.length} values, not ${layout.runningCount}`);
  if (spec.norm === 'batch' && norm === 'batch' && samples * (spec.knots >> spec.depth) < 2)
    throw new Fault(
      `unet depth: ${spec.depth}; batch norm cannot train on one value per channel: fewer levels, more knots or a larger batch`,
    );
};

/**
 * The published 1-D UNet: per level a convolution of 3, norm and ReLU, twice; max-pool of 2 down; transposed convolution
 * of 2 up, zero-padded to the skip's length, behind the skip; a 1×1 convolution. Any number of bands, width, depth and
 * knots. In WebAssembly SIMD, on all threads (kernels/unet.entry.ts); the bits do not depend on their number.
 *
 * @param out the output before any ReLU or scale is written here, [samples, bands, knots]
 * @param moved the running statistics moved towards this batch's mean and unbiased variance with `norm: 'batch'`, else as
 *   they were, are written here, [runningCount]
 * @throws Fault where batch norm has one value per channel, or where the memory does not suffice
 */
export const unetForward = (inputs: UnetInputs, out: Float32Array, moved: Float32Array): UnetPass => {
  check(inputs);
  const { spec, theta, running, input, samples, norm } = inputs;
  const kind = spec.norm === 'group' ? NormKind.group : NormKind[norm];
  const size = spec.bands * spec.knots;
  const each = kind === NormKind.batch ? samples : chunk;
  const forward = (planned: Planned, from: number, to: number): void => {
    const { plan } = planned;
    planned.pass++;
    plan.theta.set(theta);
    plan.running.set(running);
    plan.input.set(input.subarray(from * size, to * size));
    runProgram(planned, 'forward', kind);
  };

  moved.set(running);
  const passes: { planned: Planned; pass: number; from: number; to: number }[] = [];
  for (let from = 0; from < samples; from += each) {
    const to = Math.min(samples, from + each);
    const planned = planFor(spec, to - from);
    forward(planned, from, to);
    out.set(planned.plan.output, from * size);
    if (kind === NormKind.batch) moved.set(planned.plan.moved);
    passes.push({ planned, pass: planned.pass, from, to });
  }

  const backward = (dOut: Float32Array, gradient: Float32Array): void => {
    for (const { planned: before, pass, from, to } of passes) {
      const planned = planFor(spec, to - from);
      // another pass has gone through since, or the plan was dropped
      if (planned !== before || planned.pass !== pass) forward(planned, from, to);
      const { plan } = planned;
      plan.outputGradient.set(dOut.subarray(from * size, to * size));
      runProgram(planned, 'backward', kind);
      if (from === 0) gradient.set(plan.gradient);
      else for (let i = 0; i < gradient.length; i++) gradient[i] += plan.gradient[i];
    }
  };
  return { backward };
};
