import { adamVectors } from '../engine/adam.js';

/** Everything that training carries from one epoch to the next: what a checkpoint holds. */
export interface TrainingState {
  /** Raw weights, [parameterCount]. */
  theta: Float32Array;
  /** Batch norms' running statistics, [runningCount]. */
  running: Float32Array;
  /** Adam's first and second moments. */
  m: Float32Array;
  v: Float32Array;
  /** Moving average of theta, the weights that are evaluated; null without EMA. */
  ema: Float32Array | null;
  /** Optimiser steps done. */
  step: number;
  /** Epochs done. */
  epoch: number;
  /** State of the shuffling generator. */
  random: number[];
  /** Batch norms use running statistics from now on (`batchNorm: 'published'`, after the first validation). */
  frozen: boolean;
  /** The best validation so far. */
  best: { epoch: number; valMse: number } | null;
}

/** A deep copy, so that training may go on while it is written. */
export const snapshot = (state: TrainingState): TrainingState => ({
  ...state,
  theta: state.theta.slice(),
  running: state.running.slice(),
  m: state.m.slice(),
  v: state.v.slice(),
  ema: state.ema?.slice() ?? null,
  random: [...state.random],
  best: state.best && { ...state.best },
});

/** Vectors that a training works on in place; those of the optimiser, and running statistics where they have a place too. */
type Home = Pick<TrainingState, 'theta' | 'm' | 'v'> & { ema: Float32Array; running?: Float32Array };

/** A deep copy to train on: its weights and moments lie where steps work on them in place. */
export const workingCopy = (
  state: TrainingState,
  home: Home = adamVectors(state.theta.length),
): TrainingState => {
  const { theta, m, v, ema, running = state.running.slice() } = home;
  theta.set(state.theta);
  m.set(state.m);
  v.set(state.v);
  running.set(state.running);
  if (state.ema) ema.set(state.ema);
  return { ...snapshot(state), theta, m, v, running, ema: state.ema && ema };
};
