import type { GpuDevice, GpuPipeline } from './device.js';

/** A shader to be compiled. */
export interface Shader {
  label: string;
  code: string;
  /** Pipeline layout, and what tells it from others of the device; `auto` reads it from the text. */
  layout: 'auto' | { name: string; made: object };
}

const compiled = new WeakMap<GpuDevice, Map<string, Promise<GpuPipeline>>>();

/** The pipeline of a shader, compiled once a device: that takes drivers up to a second, and trainings share shaders. */
export const pipelineOf = (device: GpuDevice, { label, code, layout }: Shader): Promise<GpuPipeline> => {
  const known = compiled.get(device) ?? new Map<string, Promise<GpuPipeline>>();
  compiled.set(device, known);
  const key = `${layout === 'auto' ? layout : layout.name}\n${code}`;
  const found = known.get(key);
  if (found) return found;
  const pipeline = device.createComputePipelineAsync({
    label,
    layout: layout === 'auto' ? layout : layout.made,
    compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
  });
  known.set(key, pipeline);
  // memory may have run out, and be there later
  pipeline.catch(() => known.delete(key));
  return pipeline;
};
