/**
 * The recipe of our own that the demo's UNet-LUT rows share: the UNet predicts a correction to the global LUT, zero at
 * the start, from √histogram; group norm instead of batch norm; cosine schedule; moving average of the weights.
 * Epochs and learning rate by the validation list of the demo data: more epochs at a higher rate were no better on it.
 * Each is a switch of its own, so that each can be ablated (experiments/ablation.ts).
 */
export const ownRecipe = {
  model: {
    kind: 'unet-lut',
    unet: { norm: 'group', groups: 4, input: 'sqrt', output: 'correction' },
  },
  train: { epochs: 24, batchSize: 4, lr: 1.5e-3, schedule: 'cosine', ema: 0.995, validateEvery: 5 },
} as const;
