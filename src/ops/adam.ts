import type { AdamStep } from './adam-signature.js';
import { loopAdam } from './composed/adam.js';
import { isFused } from './form.js';
import { adamRoom, fusedAdam } from './fused/adam.js';

export type { AdamStep } from './adam-signature.js';
export { type AdamTensors, adamStepTensors } from './composed/adam.js';

/**
 * One step of Adam (Kingma & Ba 2015) with L2 decay in the gradient, as `torch.optim.Adam(weight_decay=…)`, in place.
 * The arrays may be any; those of {@link adamVectors} are worked on where they lie, others are copied to the kernel
 * and back.
 */
export const adamStep = (options: AdamStep): void => {
  const { theta, gradient, m, v, ema } = options;
  for (const [name, values] of Object.entries({ gradient, m, v, ema }))
    if (values && values.length !== theta.length)
      throw new Error(`adam: ${name} has ${values.length} values, theta ${theta.length}`);
  if (isFused('adam')) fusedAdam(options);
  else loopAdam(options);
};

/** The vectors of one optimiser, zeroed. */
export interface AdamVectors {
  theta: Float32Array;
  gradient: Float32Array;
  m: Float32Array;
  v: Float32Array;
  ema: Float32Array;
}

/** Vectors of `count` values for {@link adamStep}, placed so that the fused form copies nothing. */
export const adamVectors = (count: number): AdamVectors => {
  const [theta, gradient, m, v, ema] = isFused('adam')
    ? adamRoom(count)
    : Array.from({ length: 5 }, () => new Float32Array(count));
  return { theta, gradient, m, v, ema };
};
