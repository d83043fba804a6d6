import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { relativeDifference } from './pixels.js';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

/** A pass of the UNet and one over pixels, from the built library. */
const script = `
const { openEngine } = await import(${JSON.stringify(`${dist}engine/engine.js`)});
const { initialise, initialRunning, unetLayout } = await import(${JSON.stringify(`${dist}engine/layout.js`)});
const engine = await openEngine('cpu');
let state = 7;
const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const spec = { bands: 4, knots: 64, width: 8, depth: 3, norm: 'batch', groups: 4 };
const [layout, samples] = [unetLayout(spec), 2];
const theta = initialise(layout, next);
const input = Float32Array.from({ length: samples * 4 * 64 }, next);
const [out, moved, gradient] = [input, layout.runningCount, theta].map((a) => new Float32Array(a.length ?? a));
const pass = engine.unetForward(
  { spec, layout, theta, running: initialRunning(layout), input, samples, norm: 'batch' }, out, moved);
pass.backward(input, gradient);
const values = () => Int16Array.from({ length: 2 * 21 * 13 }, () => 1000 * next());
const patch = () => ({ width: 21, height: 13, bands: 2, source: values(), target: values(), mask: new Uint8Array(273).fill(1) });
const error = await engine.pixelError({
  lut: Float32Array.from({ length: 64 }, () => 1000 * next()),
  conv: Float32Array.from({ length: 42 }, () => next() - 0.3),
  running: Float32Array.of(0, 0, 1, 1), patches: [patch(), patch()], bandMax: [1000, 900], norm: 'batch',
});
console.log(JSON.stringify({
  version: engine.version, mse: [error.mse],
  values: { out: [...out], gradient: [...gradient], dLut: [...error.dLut], dConv: [...error.dConv] },
}));
`;

interface Numbers {
  version: string;
  mse: number[];
  values: Record<string, number[]>;
}

const numbers = async (environment: Record<string, string> = {}): Promise<Numbers> => {
  const env = { ...process.env, ...environment };
  const words = ['--input-type=module', '--eval', script];
  return JSON.parse((await promisify(execFile)(process.execPath, words, { env })).stdout);
};

test('fused, the numbers are those of BANDALIGN_FUSED=0 to float32 accuracy, and the backend says which', async () => {
  const [apart, fused] = [await numbers({ BANDALIGN_FUSED: '0' }), await numbers()];
  expect(apart.version).toMatch(/^WebAssembly SIMD, V8 /);
  expect(fused.mse[0]).toBeCloseTo(apart.mse[0], -Math.log10(1e-6 * apart.mse[0]));
  for (const [name, values] of Object.entries(apart.values))
    expect(relativeDifference(fused.values[name], values), name).toBeLessThan(2e-5);
  // a processor without fused multiply-add computes with the same kernels as ever
  const isSame = JSON.stringify(fused.values) === JSON.stringify(apart.values);
  expect(fused.version.includes('fused multiply-add')).toBe(!isSame);
});
