/**
 * Tile-adaptive LUTs from a 1-D UNet, the residual conv module behind them, total variation and monotonicity in the loss: the published program's recipe.
 *
 * Reaches: the paper's value is not available to us; the losses of the original's first epochs are matched by the parity tests.
 * Costs: about 36 h for 200 epochs of 4 383 patches in the original (PyTorch, 2 cores); here `npm run bench` prints the step.
 * Run: npx bandalign train paper/unet-lut-conv-tv --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'unet-lut-conv-tv',
  model: { kind: 'unet-lut', conv: true },
  loss: { tv: 0.01, monotonicity: 0.01 },
  // batch norm stays in evaluation mode after the first validation, as in the published loop
  train: { epochs: 200, batchSize: 4, lr: 1e-3, weightDecay: 1e-4, batchNorm: 'published' },
});
