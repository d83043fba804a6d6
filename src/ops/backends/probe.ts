import * as tf from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../../dataset/patch.js';
import { composedAlignLoss } from '../composed/align-loss.js';
import { composedUnet } from '../composed/unet.js';
import { initialise, initialRunning } from '../initialise.js';
import { convLayout, type UnetSpec, unetLayout } from '../unet-layout.js';

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

const patch = (random: () => number): PatchPixels => {
  const [width, height, bands] = [9, 7, spec.bands];
  const values = (): Int16Array => Int16Array.from({ length: width * height * bands }, () => 1000 * random());
  const source = values();
  const target = values();
  return {
    width,
    height,
    bands,
    source,
    target,
    mask: Uint8Array.from({ length: width * height }, (_, i) => +(i % 5 > 0)),
  };
};

/** Forward and backward pass of the probe on the backend that is set. */
export const probe = async (): Promise<ProbeResult> => {
  const random = numbers(7);
  const layout = unetLayout(spec);
  const conv = convLayout(spec.bands);
  const parameters = Float32Array.from([...initialise(layout, random), ...initialise(conv, random)]);
  const histograms = Float32Array.from({ length: 2 * spec.bands * spec.knots }, () => random() / 8);
  const batch = [patch(random), patch(random)];
  const { value, grad } = tf.tidy(() => {
    const x = tf.tensor3d(histograms, [2, spec.bands, spec.knots]);
    return tf.valueAndGrad((theta) => {
      const [network, module] = tf.split(theta, [
        layout.parameterCount,
        conv.parameterCount,
      ]) as tf.Tensor1D[];
      const running = tf.tensor1d(initialRunning(layout));
      const { out } = composedUnet({ theta: network, running, x, spec, norm: 'batch' });
      const { mse } = composedAlignLoss({
        lut: tf.mul(tf.relu(tf.add(out, 1)), 100) as tf.Tensor3D,
        conv: module,
        running: tf.tensor1d(initialRunning(conv)),
        batch,
        bandMax: [1000, 900],
        norm: 'batch',
      });
      return mse;
    })(tf.tensor1d(parameters));
  });
  const loss = (await value.data())[0];
  const gradient = Float32Array.from(await grad.data());
  tf.dispose([value, grad]);
  return { loss, gradient };
};

/** ‖a − b‖ / ‖b‖; NaN where a value is. */
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
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
