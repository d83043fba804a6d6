import * as tf from '@tensorflow/tfjs-core';

/** The part of TensorFlow.js's cpu backend that kernels use. */
export interface CpuBackend {
  data: { get(id: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

/** What a kernel computes with: its inputs' values by name, and a way to hand out results. */
export interface CpuCall<Attributes> {
  /** Values of input `name`; null where it was left out. */
  values(name: string): Float32Array | null;
  shape(name: string): readonly number[];
  attributes: Attributes;
  result(shape: readonly number[], values: Float32Array): tf.TensorInfo;
}

/** Registers `compute` as kernel `kernelName` of the cpu backend. */
export const registerCpuKernel = <Attributes>(
  kernelName: string,
  compute: (call: CpuCall<Attributes>) => tf.TensorInfo | tf.TensorInfo[],
): void =>
  tf.registerKernel({
    kernelName,
    backendName: 'cpu',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const cpu = backend as unknown as CpuBackend;
      const infos = inputs as Record<string, tf.TensorInfo | undefined>;
      return compute({
        values: (name) => {
          const info = infos[name];
          return info ? cpu.data.get(info.dataId).values : null;
        },
        shape: (name) => infos[name]!.shape,
        attributes: attrs as unknown as Attributes,
        result: (shape, values) => cpu.makeTensorInfo([...shape], 'float32', values),
      });
    },
  });
