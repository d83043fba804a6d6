import * as tf from '@tensorflow/tfjs-core';
import type { AlignLoss, AlignLossInputs } from '../align-loss.js';
import { evaluateAlign } from './align-evaluate.js';

const name = 'BandalignAlignLoss';

interface CpuBackend {
  data: { get(id: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

tf.registerKernel({
  kernelName: name,
  backendName: 'cpu',
  kernelFunc: ({ inputs, backend, attrs }) => {
    const { lut, conv, running } = inputs as Record<string, tf.TensorInfo>;
    const cpu = backend as unknown as CpuBackend;
    const values = ({ dataId }: tf.TensorInfo): Float32Array => cpu.data.get(dataId).values;
    const result = evaluateAlign(
      values(lut),
      lut.shape[2],
      values(conv),
      values(running),
      attrs as unknown as Parameters<typeof evaluateAlign>[4],
    );
    return [
      cpu.makeTensorInfo([], 'float32', Float32Array.of(result.mse)),
      cpu.makeTensorInfo(running.shape, 'float32', result.running),
      cpu.makeTensorInfo(lut.shape, 'float32', result.lut),
      cpu.makeTensorInfo(conv.shape, 'float32', result.conv),
    ];
  },
});

tf.registerGradient({
  kernelName: name,
  inputsToSave: ['running'],
  outputsToSave: [false, false, true, true],
  gradFunc: (dy, saved) => {
    const [running, lut, conv] = saved;
    const upstream = (dy as tf.Tensor[])[0];
    return {
      lut: () => tf.mul(lut, upstream),
      conv: () => tf.mul(conv, upstream),
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
