// What one core can do at most in WebAssembly's SIMD, measured on the machine at hand.
import asc from 'assemblyscript/asc';
import { hasFusedKernels } from '../dist/kernels.js';

/** Sums of four lanes in one loop: more than an instruction waits for, no more than there are registers. */
const sums = 12;
const rounds = 100_000;
const source = (fused) => {
  const names = Array.from({ length: sums }, (_, i) => `s${i}`);
  // each round's product is of the sum itself: what does not change would be taken out of the loop
  const add = (name) => (fused ? `f32x4.relaxed_madd(${name}, a, b)` : `f32x4.add(f32x4.mul(${name}, a), b)`);
  return `export function run(rounds: i32): f32 {
    const a = f32x4.splat(0.9999), b = f32x4.splat(0.5);
    ${names.map((name) => `let ${name} = f32x4.splat(0);`).join(' ')}
    for (let i = 0; i < rounds; i++) { ${names.map((name) => `${name} = ${add(name)};`).join(' ')} }
    return f32x4.extract_lane(${names.reduce((sum, name) => `f32x4.add(${sum}, ${name})`)}, 0);
  }`;
};

/** A turn: milliseconds of 10⁹ multiply-adds on one core, fused where the kernels of training are. */
export const ceilingTurn = async () => {
  const fused = hasFusedKernels();
  const { error, binary, stderr } = await asc.compileString(source(fused), {
    optimizeLevel: 3,
    runtime: 'stub',
    enable: fused ? ['simd', 'relaxed-simd'] : ['simd'],
  });
  if (error) throw new Error(`ceiling: ${stderr.toString()}`);
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(binary), {
    env: { abort: () => {} },
  }).exports;
  for (let i = 0; i < 20; i++) run(rounds);
  return async () => {
    const start = performance.now();
    for (let i = 0; i < 20; i++) run(rounds);
    return (performance.now() - start) / ((20 * rounds * sums * 4) / 1e9);
  };
};

/** Multiply-adds of a UNet's products in a step, forward, to the weights and to the inputs, as if none were saved. */
export const unetMultiplyAdds = ({ parameters }, { knots, depth }, samples) => {
  let forward = 0;
  for (const { name, shape } of parameters) {
    if (shape.length !== 3) continue;
    const [, where, level] = /unet\.(inc|down|up|outc)(\d*)/.exec(name);
    const halved = { inc: 0, outc: 0, down: Number(level), up: depth - Number(level) }[where];
    // a transposed convolution of stride 2 makes each output of one tap
    const taps = name.includes('.up.') ? 1 : shape[2];
    forward += shape[0] * shape[1] * taps * (knots / 2 ** halved);
  }
  return 3 * samples * forward;
};
