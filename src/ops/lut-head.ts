import * as tf from '@tensorflow/tfjs-core';
import { isFused } from './form.js';
import { registerCpuKernel } from './fused/cpu-backend.js';

const kernelName = 'BandalignLutHead';

registerCpuKernel<{ scale: number }>(kernelName, ({ values, shape, attributes: { scale }, result }) => {
  const [out, base] = [values('out')!, values('base')];
  const lut = new Float32Array(out.length);
  if (base === null) for (let i = 0; i < out.length; i++) lut[i] = Math.max(0, out[i]) * scale;
  else
    for (let start = 0; start < out.length; start += base.length)
      for (let i = 0; i < base.length; i++) lut[start + i] = base[i] + Math.fround(out[start + i] * scale);
  return result(shape('out'), lut);
});

registerCpuKernel<{ scale: number; rectified: boolean }>(
  `${kernelName}Gradient`,
  ({ values, shape, attributes: { scale, rectified }, result }) => {
    const [dy, out] = [values('dy')!, values('out')!];
    const gradient = new Float32Array(dy.length);
    for (let i = 0; i < dy.length; i++) gradient[i] = rectified && out[i] <= 0 ? 0 : dy[i] * scale;
    return result(shape('out'), gradient);
  },
);

tf.registerGradient({
  kernelName,
  inputsToSave: ['out'],
  gradFunc: (dy, [out], attrs) => ({
    out: () =>
      tf.engine().runKernel(`${kernelName}Gradient`, { dy: dy as tf.Tensor, out }, attrs) as tf.Tensor,
    base: () => tf.sum(dy as tf.Tensor, 0, true),
  }),
});

/**
 * The UNet's raw output [samples, bands, knots] as LUTs in stored units (design: models): ReLU(out)·scale, or
 * base + out·scale over a base LUT [1, bands, knots].
 */
export const lutHead = (out: tf.Tensor3D, base: tf.Tensor3D | null, scale: number): tf.Tensor3D => {
  if (isFused('lut-head')) {
    const inputs: tf.NamedTensorMap = base === null ? { out } : { out, base };
    return tf.engine().runKernel(kernelName, inputs, { scale, rectified: base === null }) as tf.Tensor3D;
  }
  return base === null ? tf.mul(tf.relu(out), scale) : tf.add(base, tf.mul(out, scale));
};
