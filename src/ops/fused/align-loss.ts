import * as tf from '@tensorflow/tfjs-core';
import type { AlignLoss, AlignLossInputs } from '../align-loss.js';
import { scale } from '../scale.js';
import { evaluateAlign } from './align-evaluate.js';
import { registerCpuKernel } from './cpu-backend.js';

const name = 'BandalignAlignLoss';

registerCpuKernel<Parameters<typeof evaluateAlign>[4]>(name, ({ values, shape, attributes, result }) => {
  const { mse, running, lut, conv } = evaluateAlign(
    values('lut')!,
    shape('lut')[2],
    values('conv')!,
    values('running')!,
    attributes,
  );
  return [
    result([], Float32Array.of(mse)),
    result(shape('running'), running),
    result(shape('lut'), lut),
    result(shape('conv'), conv),
  ];
});

tf.registerGradient({
  kernelName: name,
  inputsToSave: ['running'],
  outputsToSave: [false, false, true, true],
  gradFunc: (dy, saved) => {
    const [running, lut, conv] = saved;
    const upstream = (dy as tf.Tensor[])[0];
    return {
      lut: () => scale(lut, upstream),
      conv: () => scale(conv, upstream),
      running: () => tf.zerosLike(running),
    };
  },
});

/** {@link alignLoss} in WebAssembly: the gradient is computed with the value where a gradient is being taken. */
export const fusedAlignLoss = ({ lut, conv, running, batch, bandMax, norm }: AlignLossInputs): AlignLoss => {
  const gradient = tf.engine().state.gradientDepth > 0;
  const attrs = { batch, bandMax, norm, gradient } as unknown as tf.NamedAttrMap;
  const [mse, kept, ...gradients] = tf.engine().runKernel(name, { lut, conv, running }, attrs) as tf.Tensor[];
  if (!gradient) tf.dispose(gradients);
  return { mse: mse as tf.Scalar, running: kept as tf.Tensor1D };
};
