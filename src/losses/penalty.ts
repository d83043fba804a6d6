import { seededRandom } from '../config/random.js';
import { Fault } from '../fault.js';

/** Shape of a batch of LUTs: `lut[(sample·bands + band)·knots + k]`. */
export interface LutShape {
  samples: number;
  bands: number;
  knots: number;
}

/** A penalty on the LUTs that a network predicts, added to its loss with the weight `loss.<name>`. */
export interface Penalty {
  /** Names its weight, and its column in a run's log. */
  name: string;
  /**
   * Its value on a batch of LUTs, and its gradient by knot.
   *
   * @param lut stored units, [samples, bands, knots]
   * @returns `gradient` of the same length as `lut`
   */
  of: (lut: Float32Array, shape: LutShape) => { value: number; gradient: Float32Array };
}

/** Relative error that float32 sums leave in a central difference. */
const tolerance = 1e-2;

/**
 * Compares a penalty's gradient with central differences along random directions, on random LUTs.
 *
 * @throws Fault where it throws, is not finite, has another shape, or its gradient is not that of its value
 */
export const checkPenalty = (penalty: Penalty, { bands, knots }: Omit<LutShape, 'samples'>): void => {
  const shape = { samples: 2, bands, knots };
  const size = shape.samples * bands * knots;
  const { integer, normal } = seededRandom(2022, 'penalty', penalty.name);
  // uneven steps, so that neither first nor second differences are near a kink at zero
  const lut = Float32Array.from(
    { length: size },
    (_, i) => 10 * (i % knots) + 3 * (i % 2) + 37 * integer(10),
  );
  const evaluate = (values: Float32Array): { value: number; gradient: Float32Array } => {
    try {
      return penalty.of(values, shape);
    } catch (error) {
      throw new Fault(`penalty: ${penalty.name}; it throws: ${(error as Error).message}`, 2, {
        cause: error,
      });
    }
  };
  const { value, gradient } = evaluate(lut);
  if (!Number.isFinite(value))
    throw new Fault(`penalty: ${penalty.name}; its value is ${value}, not a finite number`);
  if (gradient?.length !== size)
    throw new Fault(
      `penalty: ${penalty.name}; its gradient has ${gradient?.length ?? 'no'} values, not ${size} (samples · bands · knots)`,
    );
  for (let trial = 0; trial < 3; trial++) {
    const direction = Float32Array.from({ length: size }, normal);
    const step = 0.05;
    const moved = (sign: number): Float32Array => lut.map((v, i) => v + sign * step * direction[i]);
    const [up, down] = [moved(1), moved(-1)];
    const difference = evaluate(up).value - evaluate(down).value;
    // the step that was taken, after rounding to float32
    let slope = 0;
    let size1 = 0;
    for (let i = 0; i < size; i++) {
      slope += gradient[i] * (up[i] - down[i]);
      size1 += Math.abs(gradient[i] * (up[i] - down[i]));
    }
    const scale = Math.max(Math.abs(difference), size1 / Math.sqrt(size), 1e-6 * Math.abs(value), 1e-12);
    if (!(Math.abs(difference - slope) <= tolerance * scale))
      throw new Fault(
        `penalty: ${penalty.name}; its gradient is not that of its value (finite differences give ${difference.toPrecision(4)}, the gradient ${slope.toPrecision(4)}): mend \`gradient\``,
      );
  }
};
