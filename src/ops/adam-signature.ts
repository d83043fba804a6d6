/** One step of Adam over flat vectors of one length, all changed in place but `gradient`. */
export interface AdamStep {
  theta: Float32Array;
  gradient: Float32Array;
  /** First and second moments; zeros before the first step. */
  m: Float32Array;
  v: Float32Array;
  /** Exponential moving average of theta, or null for none. */
  ema: Float32Array | null;
  /** 1 for the first step. */
  step: number;
  lr: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** L2: `weightDecay`·theta is added to the gradient (not decoupled). */
  weightDecay: number;
  /** ema ← emaDecay·ema + (1 − emaDecay)·theta, after the step. */
  emaDecay: number;
}

/** lr/(1 − β₁ᵗ) and 1/√(1 − β₂ᵗ), in float64. */
export const biasCorrections = ({
  step,
  lr,
  beta1,
  beta2,
}: Pick<AdamStep, 'step' | 'lr' | 'beta1' | 'beta2'>) => ({
  stepSize: lr / (1 - beta1 ** step),
  correction: 1 / Math.sqrt(1 - beta2 ** step),
});
