import { expect, test } from 'vitest';
import {
  convLayout,
  initialise,
  initialRunning,
  moveRunning,
  type UnetSpec,
  unetLayout,
} from '../../src/engine/layout.js';
import { random } from './pixels.js';

const spec: UnetSpec = { bands: 4, knots: 256, width: 8, depth: 4, norm: 'batch', groups: 4 };
const layout = unetLayout(spec);

const largest = (theta: Float32Array, name: string): number => {
  const { offset, size } = layout.parameters.find((slot) => slot.name === name)!;
  return theta.subarray(offset, offset + size).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
};

test.each([
  // [out, in, 3]: fan_in = in·3
  ['unet.down4.maxpool_conv.1.double_conv.3', 128 * 3],
  // [in, out, 2]: PyTorch takes out·2 (measured on ConvTranspose1d: 0.1767 for 16 outputs)
  ['unet.up1.up', 64 * 2],
  ['unet.outc.conv', 8],
])('%s is uniform within 1/√fan_in', (name, fanIn) => {
  const theta = initialise(layout, random(1));
  const bound = 1 / Math.sqrt(fanIn);
  for (const part of ['weight', 'bias']) {
    expect(largest(theta, `${name}.${part}`)).toBeLessThanOrEqual(bound);
    expect(largest(theta, `${name}.${part}`)).toBeGreaterThan(0.6 * bound);
  }
});

test('norms begin at γ = 1, β = 0, mean 0, variance 1, in the conv module too', () => {
  for (const each of [layout, convLayout(4)]) {
    const theta = initialise(each, random(2));
    const running = initialRunning(each);
    for (const [i, { name, shape, offset, size }] of each.parameters.entries()) {
      const before = each.parameters[i - 1]?.shape.length ?? 1;
      const isGamma = shape.length === 1 && name.endsWith('weight');
      // β follows γ; the bias of a convolution follows its weight
      const isBeta = shape.length === 1 && !isGamma && before === 1;
      if (isGamma || isBeta)
        expect(theta.subarray(offset, offset + size), name).toEqual(
          new Float32Array(size).fill(isGamma ? 1 : 0),
        );
    }
    for (const { name, offset, size } of each.running)
      expect(running.subarray(offset, offset + size)).toEqual(
        new Float32Array(size).fill(name.endsWith('running_var') ? 1 : 0),
      );
  }
});

test('a zeroed last layer leaves all else as it is', () => {
  const [plain, zeroed] = [false, true].map((zeroLast) => initialise(layout, random(3), { zeroLast }));
  expect(largest(zeroed, 'unet.outc.conv.weight') + largest(zeroed, 'unet.outc.conv.bias')).toBe(0);
  const last = layout.parameters.find(({ name }) => name === 'unet.outc.conv.weight')!;
  expect(zeroed.subarray(0, last.offset)).toEqual(plain.subarray(0, last.offset));
});

test("running statistics move by a tenth, their variance unbiased, as PyTorch's", () => {
  const running = Float32Array.of(1, 2, 10, 20);
  moveRunning(running, 1, 2, 4, 6, 4);
  expect([...running]).toEqual([1, 2.2, 10, 18.8].map(Math.fround));
});
