import * as tf from '@tensorflow/tfjs-core';
import { distance } from '../../engine/engine.js';
import {
  convLayout,
  initialise,
  initialRunning,
  type Layout,
  type UnetSpec,
  unetLayout,
} from '../../engine/layout.js';
import { lutHead, penalties, pixelError, unet } from '../../models/unet-lut/definition.js';

/** Relative differences from `cpu` that a backend may have on the probe, ‖a − b‖/‖b‖: float32 sums in another order. */
export const probeTolerance = { loss: 1e-4, gradient: 1e-3 };

/** Losses and gradient of a tiny network of every op that training uses. */
export interface ProbeResult {
  loss: number;
  gradient: Float32Array;
}

const spec: UnetSpec = { bands: 2, knots: 16, width: 2, depth: 2, norm: 'batch', groups: 1 };

/** The same values at every call: a small linear congruence. */
const numbers = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
};

/** The named tensors of a flat vector. */
const cut = (flat: tf.Tensor1D, slots: Layout['parameters']): Record<string, tf.Tensor> => {
  const pieces = tf.split(
    flat,
    slots.map(({ size }) => size),
  );
  return Object.fromEntries(slots.map(({ name, shape }, i) => [name, tf.reshape(pieces[i], [...shape])]));
};

/** Forward and backward pass of a small UNet-LUT with its conv module and penalties, on the backend that is set. */
export const probe = async (): Promise<ProbeResult> => {
  const random = numbers(7);
  const layouts = [unetLayout(spec), convLayout(spec.bands)];
  const parameters = Float32Array.from(layouts.flatMap((layout) => [...initialise(layout, random)]));
  const [samples, width, height] = [2, 9, 7];
  const uniform = (size: number, scale: number): Float32Array =>
    Float32Array.from({ length: size }, () => scale * random());
  const histograms = uniform(samples * spec.bands * spec.knots, 1 / 8);
  const image: [number, number, number, number] = [samples, height, width, spec.bands];
  const size = samples * height * width;
  const [positions, targets] = [uniform(size * spec.bands, spec.knots - 1), uniform(size * spec.bands, 1000)];
  const mask = Float32Array.from({ length: size }, (_, i) => +(i % 5 > 0));
  const { value, grad } = tf.tidy(() =>
    tf.valueAndGrad((theta) => {
      const parts = tf.split(
        theta as tf.Tensor1D,
        layouts.map(({ parameterCount }) => parameterCount),
      );
      const [network, conv] = layouts.map(({ parameters: slots }, i) => cut(parts[i] as tf.Tensor1D, slots));
      const [statistics, convStatistics] = layouts.map((layout) =>
        cut(tf.tensor1d(initialRunning(layout)), layout.running),
      );
      const x = tf.tensor3d(histograms, [samples, spec.bands, spec.knots]);
      const { out } = unet(tf, network, statistics, x, spec, 'batch');
      const lut = lutHead(tf, tf.add(out, 1) as tf.Tensor3D, null, 100);
      const pixels = {
        position: tf.tensor4d(positions, image),
        target: tf.tensor4d(targets, image),
        mask: tf.tensor4d(mask, [samples, height, width, 1]),
        valid: mask.reduce((sum, one) => sum + one, 0),
      };
      const { mse } = pixelError(tf, lut, conv, convStatistics, pixels, 'batch');
      const { tv, monotonicity } = penalties(tf, lut);
      return tf.addN([mse, tf.mul(tv, 0.01), tf.mul(monotonicity, 0.01)]) as tf.Scalar;
    })(tf.tensor1d(parameters)),
  );
  const loss = (await value.data())[0];
  const gradient = Float32Array.from(await grad.data());
  tf.dispose([value, grad]);
  return { loss, gradient };
};

/** Why a backend's probe is not to be trusted, null where it agrees with `cpu`'s. */
export const disagreement = (there: ProbeResult, cpu: ProbeResult): string | null => {
  const loss = distance([there.loss], [cpu.loss]);
  const gradient = distance(there.gradient, cpu.gradient);
  const within = loss <= probeTolerance.loss && gradient <= probeTolerance.gradient;
  return within
    ? null
    : `its numbers are not cpu's: loss off by ${loss.toExponential(1)}, gradient by ${gradient.toExponential(1)} (allowed ${probeTolerance.loss}, ${probeTolerance.gradient})`;
};
