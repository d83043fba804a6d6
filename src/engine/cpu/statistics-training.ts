import { identityKnots } from '../../dataset/statistics-table.js';
import { memoryPlan } from '../../kernels.js';
import { NormKind } from '../abi.js';
import { type AdamRates, adamArguments } from '../adam.js';
import type { DeviceTrainingInput } from '../device-training.js';
import { type UnetSpec, unetLayout } from '../layout.js';
import { firstFree } from './memory.js';
import { pad4 } from './rows.js';
import { keptPlan, type Planned, runStep, setAside } from './unet-memory.js';
import type { Resident } from './unet-plan.js';

/** What a training from statistics keeps in the kernels' memory. */
export interface StatisticsTrainingInput extends Omit<DeviceTrainingInput, 'conv'> {
  /** Bytes of statistics and inputs that may stay in memory; beyond them each batch is copied there. @default 1 GiB */
  bytes?: number;
}

/** A training whose every step is one call into WebAssembly, which allocates nothing. */
export interface StatisticsTraining {
  /** The vectors that steps work on, where they work on them: weights, moments, moving average, running statistics. */
  theta: Float32Array;
  m: Float32Array;
  v: Float32Array;
  ema: Float32Array;
  running: Float32Array;
  /** Mse, total variation, monotonicity and loss of the last step, before the weights moved; penalties 0 where both weigh 0. */
  losses: Float64Array;
  /**
   * One step of the optimiser. Where the loss is not finite, nothing moves.
   *
   * @param batch rows of the table, of those that train
   * @param norm what batch norms normalise by; `running` keeps the running statistics
   * @returns whether the loss is finite
   */
  step: (batch: readonly number[], norm: 'batch' | 'running', rates: AdamRates) => boolean;
  /** Gives the memory back; the vectors hold no longer. */
  dispose: () => void;
}

const defaultBytes = 2 ** 30;

/** Bytes that a patch takes in the kernels' memory. */
export const residentBytes = ({ bands, knots }: Pick<UnetSpec, 'bands' | 'knots'>): number =>
  bands * (4 * 4 * knots + 2 * 8);

/**
 * Opens a training from sufficient statistics: weights, moments, statistics and inputs lie in the kernels' memory. Null
 * where the process has one open already.
 *
 * @throws Fault where the host has not the memory
 */
export const openStatisticsTraining = (input: StatisticsTrainingInput): StatisticsTraining | null => {
  const { spec, table, rows, weights, batchSize, bytes = defaultBytes } = input;
  const { bands, knots } = spec;
  const layout = unetLayout(spec);
  const staysWhole = rows.length * residentBytes(spec) <= bytes;
  const slots = staysWhole ? rows.length : batchSize;

  const plan = memoryPlan(firstFree);
  // vectors of whole SIMD vectors, and room for reads beyond the last
  const vector = (count: number): number => plan.take(4 * pad4(count) + 64);
  const parameters = (): number => vector(layout.parameterCount);
  const perKnot = (): number => plan.take(4 * slots * bands * knots);
  const perBand = (): number => plan.take(8 * slots * bands);
  const ema = parameters();
  const resident: Resident = {
    ...{ theta: parameters(), gradient: parameters(), m: parameters(), v: parameters() },
    ema: input.ema ? ema : 0,
    ...{ running: vector(layout.runningCount), moved: vector(layout.runningCount) },
    inputs: perKnot(),
    rates: plan.take(4 * 9),
    step: {
      batch: plan.take(4 * batchSize),
      ...{ diagonal: perKnot(), offDiagonal: perKnot(), linear: perKnot() },
      ...{ constant: perBand(), count: perBand() },
      identity: plan.take(4 * bands * knots),
      base: input.base ? plan.take(4 * bands * knots) : 0,
      factors: plan.take(8 * 3),
      weighed: weights.tv === 0 && weights.monotonicity === 0 ? 0 : 1,
      losses: plan.take(8 * 4),
    },
  };
  const { step: at } = resident;
  let held: ReturnType<typeof setAside>;
  try {
    held = setAside(plan.size());
  } catch (error) {
    // not all patches fit into what this host grants: perhaps one batch does
    if (!staysWhole || rows.length <= batchSize) throw error;
    return openStatisticsTraining({ ...input, bytes: 0 });
  }
  if (held === null) return null;
  const { buffer, release } = held;
  const floats = (from: number, count: number): Float32Array => new Float32Array(buffer, from, count);
  const doubles = (from: number, count: number): Float64Array => new Float64Array(buffer, from, count);

  const size = slots * bands * knots;
  const inputs = floats(resident.inputs, size);
  const columns = [
    { from: table.diagonal, to: floats(at.diagonal, size), width: bands * knots },
    { from: table.offDiagonal, to: floats(at.offDiagonal, size), width: bands * knots },
    { from: table.linear, to: floats(at.linear, size), width: bands * knots },
    { from: table.constant, to: doubles(at.constant, slots * bands), width: bands },
    { from: table.count, to: doubles(at.count, slots * bands), width: bands },
  ];
  const bring = (row: number, slot: number): void => {
    for (const { from, to, width } of columns)
      to.set(from.subarray(row * width, (row + 1) * width) as never, slot * width);
    input.writeInput(row, inputs, slot * bands * knots);
  };
  const slotOf = new Map<number, number>();
  if (staysWhole)
    for (const row of rows)
      if (!slotOf.has(row)) {
        bring(row, slotOf.size);
        slotOf.set(row, slotOf.size);
      }
  const identity = floats(at.identity, bands * knots);
  for (const [band, max] of table.bandMax.entries()) identity.set(identityKnots(max, knots), band * knots);
  if (input.base) floats(at.base, bands * knots).set(input.base);
  doubles(at.factors, 3).set([input.scale, weights.tv, weights.monotonicity]);

  const places = new Uint32Array(buffer, at.batch, batchSize);
  const rateValues = floats(resident.rates, 9);
  const plans: (Planned | undefined)[] = [];
  const isGroup = spec.norm === 'group';
  return {
    theta: floats(resident.theta, layout.parameterCount),
    m: floats(resident.m, layout.parameterCount),
    v: floats(resident.v, layout.parameterCount),
    ema: floats(ema, layout.parameterCount),
    running: floats(resident.running, layout.runningCount),
    losses: doubles(at.losses, 4),
    step: (batch, norm, rates) => {
      const samples = batch.length;
      for (let i = 0; i < samples; i++)
        if (staysWhole) places[i] = slotOf.get(batch[i])!;
        else {
          bring(batch[i], i);
          places[i] = i;
        }
      adamArguments(rates, rateValues);
      const planned = keptPlan(plans[samples], spec, samples, resident);
      plans[samples] = planned;
      return runStep(planned, isGroup ? NormKind.group : NormKind[norm]);
    },
    dispose: release,
  };
};
