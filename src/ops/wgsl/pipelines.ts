import { errorPass, errorSum } from './error-pass.js';
import type { GpuBuffer, GpuDevice, GpuEncoder, GpuPipeline } from './gpu.js';
import { gradientPass, weightsSum } from './gradient-pass.js';
import { momentsPass, momentsSum } from './moments-pass.js';
import type { ShaderShape } from './shader-shape.js';

/** What each binding of the shaders is, by number. */
export const bindingNames = [
  ...['frame', 'conv', 'words', 'luts', 'partials', 'constants', 'knotSums', 'weightSums'],
] as const;
export type BindingName = (typeof bindingNames)[number];

const passes = {
  moments: { text: momentsPass, bindings: [0, 1, 2, 3, 4] },
  momentsSum: { text: momentsSum, bindings: [0, 1, 4, 5] },
  error: { text: errorPass, bindings: [0, 1, 2, 3, 4, 5] },
  errorSum: { text: errorSum, bindings: [0, 1, 4, 5] },
  gradient: { text: gradientPass, bindings: [0, 1, 2, 3, 4, 5, 6] },
  weightsSum: { text: weightsSum, bindings: [0, 4, 7] },
} as const;
export type PassName = keyof typeof passes;

/** Compiled passes of a shape. */
export type Pipelines = Record<PassName, GpuPipeline>;

const compiled = new WeakMap<GpuDevice, Map<string, Pipelines>>();

/** The passes of a shape, compiled once a device. */
export const pipelinesFor = (device: GpuDevice, shape: ShaderShape): Pipelines => {
  const known = compiled.get(device) ?? new Map<string, Pipelines>();
  compiled.set(device, known);
  const key = JSON.stringify(shape);
  const found = known.get(key);
  if (found) return found;
  const made = {} as Pipelines;
  for (const name of Object.keys(passes) as PassName[]) {
    const label = `bandalign ${name}`;
    const module = device.createShaderModule({ label, code: passes[name].text(shape) });
    made[name] = device.createComputePipeline({
      label,
      layout: 'auto',
      compute: { module, entryPoint: 'main' },
    });
  }
  known.set(key, made);
  return made;
};

/** Records one pass over `x`·`y` workgroups. */
export const recordPass = (
  device: GpuDevice,
  encoder: GpuEncoder,
  pipelines: Pipelines,
  name: PassName,
  buffers: Record<BindingName, GpuBuffer>,
  x: number,
  y = 1,
): void => {
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipelines[name]);
  const entries = passes[name].bindings.map((binding) => ({
    binding,
    resource: { buffer: buffers[bindingNames[binding]] },
  }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipelines[name].getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(x, y);
  pass.end();
};
