import type { StatisticsTable } from '../dataset/statistics-table.js';
import type { AdamRates } from './adam.js';
import type { UnetSpec } from './layout.js';
import type { ResidentPatch } from './webgpu/patches.js';

/** What a training keeps on a device. */
export interface DeviceTrainingInput {
  spec: UnetSpec;
  /** With the conv module, trained from pixels; else from sufficient statistics. */
  conv: boolean;
  /** Stored units of a 1 in the UNet's output. */
  scale: number;
  /** The LUT that the UNet corrects, [bands·knots] stored units; null where it predicts the LUT itself. */
  base: Float32Array | null;
  /** Weights of the two penalties in the loss. */
  weights: { tv: number; monotonicity: number };
  /** With a moving average of the weights. */
  ema: boolean;
  table: Pick<StatisticsTable, 'bandMax' | 'diagonal' | 'offDiagonal' | 'linear' | 'constant' | 'count'>;
  /** Rows of the table that train. */
  rows: readonly number[];
  /** Writes the UNet's input of a row, [bands·knots], to `out` from `offset` on. */
  writeInput: (row: number, out: Float32Array, offset: number) => void;
  /** Patches of a batch at most. */
  batchSize: number;
}

/** The vectors that a training moves: weights, moments, moving average, running statistics. */
export interface TrainingVectors {
  theta: Float32Array;
  m: Float32Array;
  v: Float32Array;
  ema: Float32Array | null;
  running: Float32Array;
}

/** Losses of a step before the weights moved; penalties 0 where both weigh 0. */
export type DeviceLosses = { mse: number; tv: number; monotonicity: number; loss: number };

/**
 * A training whose weights, moments, inputs and pixels stay on a device. A step is sent and not waited for; its losses
 * come back with those of later steps. From the first step on whose loss is not finite, nothing moves.
 */
export interface DeviceTraining {
  /** Brings vectors there. */
  load: (vectors: TrainingVectors) => void;
  /**
   * Sends a step; waits only where many are under way.
   *
   * @param batch rows of the table, of those that train
   * @param patches their pixels, with the conv module
   * @param norm what batch norms normalise by; `running` keeps the running statistics
   * @returns losses that have come back since the last call, in the order of the steps
   * @throws Fault where the device is lost or out of memory
   */
  step: (
    batch: readonly number[],
    patches: readonly ResidentPatch[] | null,
    norm: 'batch' | 'running',
    rates: AdamRates,
  ) => Promise<DeviceLosses[]>;
  /** Waits for all steps. @returns the losses that are left, in order */
  settle: () => Promise<DeviceLosses[]>;
  /** Reads the vectors back, as they are after the last step. */
  read: (into: TrainingVectors) => Promise<void>;
  dispose: () => void;
}
