import * as tf from '@tensorflow/tfjs-core';
import { takeVector } from '../spare-vectors.js';
import type { UnetSpec } from '../unet-layout.js';
import type { UnetInputs, UnetOutputs } from '../unet-signature.js';
import { type CpuCall, registerCpuKernel } from './cpu-backend.js';
import { type NormKind, normKind } from './unet-ops.js';
import { runProgram, type Slot, slotFor } from './unet-room.js';

/** Samples that go through at once where they do not depend on each other: bounds the memory of large batches. */
const chunk = 32;

/** Says in which pass through which slot a forward call left its activations. */
interface Ticket {
  slot: Slot | null;
  pass: number;
}

interface Attributes {
  spec: UnetSpec;
  kind: NormKind;
  ticket: Ticket;
}

interface Values {
  theta: Float32Array;
  running: Float32Array;
  /** [samples, bands, knots] */
  x: Float32Array;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

const isSame = (a: Float32Array, b: Float32Array): boolean => bytesOf(a).equals(bytesOf(b));

/** The way forward, unless it is the one that the slot went last: its activations are there still. */
const forward = (slot: Slot, { theta, running, x }: Values, { spec, kind }: Attributes): void => {
  const { plan } = slot;
  const usesRunning = spec.norm === 'batch';
  if (
    slot.kind === kind &&
    isSame(plan.theta, theta) &&
    isSame(plan.input, x) &&
    (!usesRunning || isSame(plan.running, running))
  )
    return;
  slot.pass++;
  slot.kind = kind;
  plan.theta.set(theta);
  if (usesRunning) plan.running.set(running);
  plan.input.set(x);
  runProgram(slot, 'forward', kind);
};

/** Ranges of samples that may go through apart. */
const chunks = (samples: number, kind: NormKind): { from: number; to: number }[] => {
  const size = kind === normKind.batch ? samples : chunk;
  return Array.from({ length: Math.ceil(samples / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(samples, (i + 1) * size),
  }));
};

const valuesOf = ({ values }: CpuCall<Attributes>): Values => ({
  theta: values('theta')!,
  running: values('running')!,
  x: values('x')!,
});

registerCpuKernel<Attributes>('BandalignUnet', (call) => {
  const { attributes, result } = call;
  const { spec, kind, ticket } = attributes;
  const values = valuesOf(call);
  const size = spec.bands * spec.knots;
  const out = new Float32Array(values.x.length);
  let running = values.running;
  const parts = chunks(values.x.length / size, kind);
  for (const { from, to } of parts) {
    const slot = slotFor(spec, to - from);
    forward(slot, { ...values, x: values.x.subarray(from * size, to * size) }, attributes);
    out.set(slot.plan.output, from * size);
    if (kind === normKind.batch) running = slot.plan.moved;
    if (parts.length === 1) Object.assign(ticket, { slot, pass: slot.pass });
  }
  return [
    result([out.length / size, spec.bands, spec.knots], out),
    result([running.length], running.slice()),
  ];
});

registerCpuKernel<Attributes>('BandalignUnetGradient', (call) => {
  const { attributes, result } = call;
  const { spec, kind, ticket } = attributes;
  const values = valuesOf(call);
  const dout = call.values('dout')!;
  const size = spec.bands * spec.knots;
  let gradient: Float32Array | null = null;
  const parts = chunks(values.x.length / size, kind);
  for (const { from, to } of parts) {
    const slot = slotFor(spec, to - from);
    // another pass may have gone through since: then the activations are computed again
    if (ticket.slot !== slot || ticket.pass !== slot.pass)
      forward(slot, { ...values, x: values.x.subarray(from * size, to * size) }, attributes);
    slot.plan.outputGradient.set(dout.subarray(from * size, to * size));
    runProgram(slot, 'backward', kind);
    if (!gradient) {
      gradient = takeVector(slot.plan.gradient.length);
      gradient.set(slot.plan.gradient);
    } else for (let i = 0; i < gradient.length; i++) gradient[i] += slot.plan.gradient[i];
  }
  gradient ??= new Float32Array(values.theta.length);
  return result([gradient.length], gradient);
});

tf.registerGradient({
  kernelName: 'BandalignUnet',
  inputsToSave: ['theta', 'running', 'x'],
  gradFunc: (dy, [theta, running, x], attrs) => ({
    theta: () =>
      tf
        .engine()
        .runKernel(
          'BandalignUnetGradient',
          { theta, running, x, dout: (dy as tf.Tensor[])[0] },
          attrs,
        ) as tf.Tensor,
    running: () => tf.zerosLike(running),
    x: () => tf.zerosLike(x),
  }),
});

/** The UNet in WebAssembly SIMD (kernels/unet.entry.ts), on the cpu backend. */
export const fusedUnet = ({ theta, running, x, spec, norm }: UnetInputs): UnetOutputs => {
  const kind = spec.norm === 'group' ? normKind.group : normKind[norm];
  const ticket: Ticket = { slot: null, pass: 0 };
  const [out, moved] = tf.engine().runKernel('BandalignUnet', { theta, running, x }, {
    spec,
    kind,
    ticket,
  } as unknown as tf.NamedAttrMap) as [tf.Tensor3D, tf.Tensor1D];
  return { out, running: moved };
};
