import * as tf from '@tensorflow/tfjs-core';

/** The parts of WebGPU that the passes use; the packages' own types come only with the packages. */
export interface GpuBuffer {
  readonly size: number;
  mapAsync(mode: number, offset?: number, size?: number): Promise<void>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}
export interface GpuPipeline {
  getBindGroupLayout(index: number): object;
}
interface GpuPass {
  setPipeline(pipeline: GpuPipeline): void;
  setBindGroup(index: number, group: object): void;
  dispatchWorkgroups(x: number, y?: number): void;
  end(): void;
}
export interface GpuEncoder {
  beginComputePass(): GpuPass;
  copyBufferToBuffer(from: GpuBuffer, at: number, to: GpuBuffer, toAt: number, size: number): void;
  clearBuffer(buffer: GpuBuffer, offset?: number, size?: number): void;
  finish(): object;
}
export interface GpuDevice {
  limits: Record<
    | 'maxComputeWorkgroupStorageSize'
    | 'maxComputeWorkgroupsPerDimension'
    | 'maxComputeInvocationsPerWorkgroup'
    | 'maxStorageBufferBindingSize'
    | 'maxUniformBufferBindingSize',
    number
  >;
  queue: {
    writeBuffer(buffer: GpuBuffer, at: number, data: ArrayBufferView): void;
    submit(commands: object[]): void;
  };
  createBuffer(wish: { label: string; size: number; usage: number; mappedAtCreation?: boolean }): GpuBuffer;
  createShaderModule(wish: { label: string; code: string }): object;
  createComputePipeline(wish: {
    label: string;
    layout: 'auto';
    compute: { module: object; entryPoint: string };
  }): GpuPipeline;
  createBindGroup(wish: {
    layout: object;
    entries: { binding: number; resource: { buffer: GpuBuffer } }[];
  }): object;
  createCommandEncoder(): GpuEncoder;
}

/** WebGPU's numbers for what a buffer is for. */
export const usage = { mapRead: 0x1, copyFrom: 0x4, copyTo: 0x8, uniform: 0x40, storage: 0x80 } as const;
/** GPUMapMode.READ */
export const forReading = 1;

/** The device on which TensorFlow.js's webgpu backend computes; that backend must be the one that is set. */
export const gpuDevice = (): GpuDevice => (tf.backend() as unknown as { device: GpuDevice }).device;
