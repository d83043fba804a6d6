import * as tf from '@tensorflow/tfjs-core';
import { registerCpuKernel } from './fused/cpu-backend.js';

const kernelName = 'BandalignScale';

registerCpuKernel<object>(kernelName, ({ values, shape, result }) => {
  const [x, factor] = [values('x')!, values('factor')![0]];
  const out = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = x[i] * factor;
  return result(shape('x'), out);
});

/**
 * x · factor, for gradients: not differentiable itself. tf.mul gives the same bits; on `cpu` it works out the place of
 * every element of a broadcast anew, which took longer than the loss.
 */
export const scale = <T extends tf.Tensor>(x: T, factor: tf.Tensor): T =>
  tf.getBackend() === 'cpu'
    ? (tf.engine().runKernel(kernelName, { x, factor }) as T)
    : (tf.mul(x, factor) as T);
