import type { Layout, Slot } from './unet-layout.js';

/** A norm's own tensors have one dimension and stand right behind a convolution's weight and bias. */
const fanIn = ({ shape, name }: Slot): number => {
  const [, second, ...kernel] = shape;
  const window = kernel.reduce((a, b) => a * b, 1);
  if (shape.length < 2) throw new Error(`initialise: ${name} is no weight`);
  // PyTorch counts size(1)·window for every layer: for a transposed convolution, [in, out, k], that is out·k
  return second * window;
};

/**
 * Fresh parameters as PyTorch's defaults give them: weights and biases of convolutions and transposed convolutions
 * uniform in ±1/√fan_in (`kaiming_uniform_(a=√5)`; `torch/nn/modules/conv.py: reset_parameters`), norms γ = 1, β = 0.
 *
 * @param random uniform in [0, 1); drawn once per value, in the order of the layout
 * @param options.zeroLast zeros in the last convolution (`outc`), so that a fresh UNet corrects nothing
 */
export const initialise = (
  layout: Layout,
  random: () => number,
  options: { zeroLast?: boolean } = {},
): Float32Array => {
  const theta = new Float32Array(layout.parameterCount);
  let bound = 0;
  for (const [index, slot] of layout.parameters.entries()) {
    const values = theta.subarray(slot.offset, slot.offset + slot.size);
    if (slot.shape.length > 1) {
      bound = 1 / Math.sqrt(fanIn(slot));
      for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * bound;
    } else if (slot.name.endsWith('.weight')) values.fill(1);
    else if (layout.parameters[index - 1].shape.length > 1)
      for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * bound;
    if (options.zeroLast && slot.name.startsWith('unet.outc.')) values.fill(0);
  }
  return theta;
};

/** Running statistics before the first batch: means 0, variances 1. */
export const initialRunning = (layout: Layout): Float32Array => {
  const running = new Float32Array(layout.runningCount);
  for (const { name, offset, size } of layout.running)
    if (name.endsWith('.running_var')) running.fill(1, offset, offset + size);
  return running;
};
