import { afterEach, expect, test, vi } from 'vitest';
import { Fault } from '../../src/fault.js';

/** Modules anew, so that what they know of the host is asked for again. */
afterEach(() => {
  vi.restoreAllMocks();
  vi.doUnmock('node:os');
  vi.unstubAllEnvs();
  vi.resetModules();
});

test('a host without SIMD is told what to do, and has no fused kernels', async () => {
  vi.resetModules();
  vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
  const { openEngine } = await import('../../src/engine/engine.js');
  const refused = await openEngine('cpu').then(
    () => null,
    (error: Error) => error.message,
  );
  expect(refused).toBe(
    'backend: cpu; WebAssembly without SIMD; another Node.js or another machine is needed',
  );
  expect((await import('../../src/kernels.js')).hasFusedKernels()).toBe(false);
});

test('a host without relaxed SIMD takes the kernels that round twice, and the backend says no more', async () => {
  vi.resetModules();
  const validate = WebAssembly.validate.bind(WebAssembly);
  // the probe of 128-bit SIMD is the short one
  vi.spyOn(WebAssembly, 'validate').mockImplementation(
    (bytes) => (bytes as Uint8Array).length < 64 && validate(bytes),
  );
  const { openEngine } = await import('../../src/engine/engine.js');
  expect((await openEngine('cpu')).version).toMatch(/^WebAssembly SIMD, V8 /);
});

test.each([
  [1, 1],
  [3, 3],
  [64, 16],
])('a host of %d processors runs %d threads', async (processors, threads) => {
  vi.resetModules();
  vi.stubEnv('BANDALIGN_THREADS', '');
  vi.doMock('node:os', async (original) => ({
    ...(await original<typeof import('node:os')>()),
    availableParallelism: () => processors,
  }));
  vi.doMock('node:fs', async (original) => ({
    ...(await original<typeof import('node:fs')>()),
    // no control group
    readFileSync: () => {
      throw new Error('no such file');
    },
  }));
  const { threadCount } = await import('../../src/engine/cpu/threads.js');
  vi.doUnmock('node:fs');
  expect(threadCount()).toBe(threads);
});

test.each(['0', '33', 'two'])('BANDALIGN_THREADS=%s is refused', async (wish) => {
  vi.stubEnv('BANDALIGN_THREADS', wish);
  const { threadCount } = await import('../../src/engine/cpu/threads.js');
  expect(() => threadCount()).toThrow(`BANDALIGN_THREADS: ${wish}; a whole number from 1 to 32`);
});

test('more memory than WebAssembly has is refused in a line that says what to change', async () => {
  const { unetForward } = await import('../../src/engine/cpu/unet.js');
  const { unetLayout } = await import('../../src/engine/layout.js');
  const spec = { bands: 4, knots: 4096, width: 64, depth: 4, norm: 'batch', groups: 1 } as const;
  const layout = unetLayout(spec);
  const samples = 256;
  const input = new Float32Array(samples * 4 * 4096);
  const inputs = { spec, layout, samples, input, norm: 'batch' as const };
  const vectors = {
    theta: new Float32Array(layout.parameterCount),
    running: new Float32Array(layout.runningCount),
  };
  const pass = () => unetForward({ ...inputs, ...vectors }, input.slice(), vectors.running.slice());
  // the class of modules that were loaded anew
  expect(pass).toThrow(expect.objectContaining({ name: new Fault('').name }));
  expect(pass).toThrow(/^kernel memory: \d+\.\d GiB; a smaller batch or model$/);
});
