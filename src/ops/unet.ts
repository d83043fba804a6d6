import { Fault } from '../fault.js';
import { composedUnet } from './composed/unet.js';
import { isFused } from './form.js';
import { fusedUnet } from './fused/unet.js';
import { type Layout, type UnetSpec, unetLayout } from './unet-layout.js';
import type { UnetInputs, UnetOutputs } from './unet-signature.js';

export type { UnetInputs, UnetOutputs } from './unet-signature.js';

const layouts = new WeakMap<UnetSpec, Layout>();

/** The layout of a spec, worked out once: the op is called at every step. */
const layoutOf = (spec: UnetSpec): Layout => {
  const layout = layouts.get(spec) ?? unetLayout(spec);
  layouts.set(spec, layout);
  return layout;
};

const check = ({ theta, running, x, spec, norm }: UnetInputs): void => {
  const layout = layoutOf(spec);
  const [batch, bands, knots] = x.shape;
  if (bands !== spec.bands || knots !== spec.knots)
    throw new Error(`unet: x is [${x.shape}], not [batch, ${spec.bands}, ${spec.knots}]`);
  if (theta.size !== layout.parameterCount)
    throw new Error(`unet: theta has ${theta.size} values, not ${layout.parameterCount}`);
  if (spec.norm === 'batch' && running.size !== layout.runningCount)
    throw new Error(`unet: running has ${running.size} values, not ${layout.runningCount}`);
  if (spec.norm === 'batch' && norm === 'batch' && batch * (knots >> spec.depth) < 2)
    throw new Fault(
      `unet depth: ${spec.depth}; batch norm cannot train on one value per channel: fewer levels, more knots or a larger batch`,
    );
};

/**
 * The published 1-D UNet (paper code `UNet`; design §4): per level a convolution of 3, norm and ReLU, twice; max-pool
 * of 2 down; transposed convolution of 2 up, zero-padded to the skip's length, behind the skip; a 1×1 convolution.
 * Differentiable in `theta`; `x` and `running` get no gradient. Any number of bands, width, depth and knots.
 */
export const unet = (inputs: UnetInputs): UnetOutputs => {
  check(inputs);
  return isFused('unet') ? fusedUnet(inputs) : composedUnet(inputs);
};
