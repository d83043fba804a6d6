import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { type Form, insistOnForm } from '../../src/ops/form.js';
import { lutHead } from '../../src/ops/lut-head.js';
import { regularisers } from '../../src/ops/regularisers.js';
import { scale } from '../../src/ops/scale.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';

beforeAll(async () => void (await startTensorflow('cpu')));
afterEach(() => insistOnForm(null));

const cases = fc
  .record({
    samples: fc.integer({ min: 1, max: 5 }),
    bands: fc.integer({ min: 1, max: 4 }),
    knots: fc.integer({ min: 2, max: 33 }),
  })
  .chain(({ samples, bands, knots }) => {
    const floats = (length: number): fc.Arbitrary<number[]> =>
      fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: length, maxLength: length });
    return fc.record({
      shape: fc.constant([samples, bands, knots] as [number, number, number]),
      out: floats(samples * bands * knots),
      base: fc.option(floats(bands * knots)),
      weight: floats(samples * bands * knots),
    });
  });

/** Value and gradient of Σ weight·f(x). */
const valueAndGradient = (
  form: Form,
  f: (x: tf.Tensor3D) => tf.Tensor,
  x: readonly number[],
  shape: [number, number, number],
): { value: Float32Array; gradient: Float32Array } => {
  insistOnForm(form);
  return tf.tidy(() => {
    const { value, grad } = tf.valueAndGrad((at) => f(at as tf.Tensor3D) as tf.Scalar)(
      tf.tensor3d([...x], shape),
    );
    return { value: value.dataSync() as Float32Array, gradient: grad.dataSync() as Float32Array };
  });
};

test('the head of LUTs is the same bits in both forms, over a base and rectified', () => {
  fc.assert(
    fc.property(cases, ({ shape, out, base, weight }) => {
      const head = (x: tf.Tensor3D): tf.Tensor => {
        const lut = lutHead(x, base && tf.tensor3d(base, [1, shape[1], shape[2]]), 100);
        return tf.sum(tf.mul(lut, tf.tensor3d(weight, shape)));
      };
      const [composed, fused] = (['composed', 'fused'] as const).map((form) =>
        valueAndGradient(form, head, out, shape),
      );
      // a rectified −0 may keep its sign
      const unsigned = (values: Float32Array): Float32Array => values.map((value) => value + 0);
      expect(unsigned(fused.value)).toEqual(unsigned(composed.value));
      expect(unsigned(fused.gradient)).toEqual(unsigned(composed.gradient));
    }),
    { numRuns: 50 },
  );
});

test('the regularisers agree in both forms, value and gradient', () => {
  fc.assert(
    fc.property(
      cases,
      fc.constantFrom([1, 0], [0, 1], [0.3, 2]),
      ({ shape, out }, [tvWeight, monotonicityWeight]) => {
        const loss = (lut: tf.Tensor3D): tf.Tensor => {
          const { tv, monotonicity } = regularisers(lut);
          return tf.add(tf.mul(tv, tvWeight), tf.mul(monotonicity, monotonicityWeight));
        };
        const [composed, fused] = (['composed', 'fused'] as const).map((form) =>
          valueAndGradient(form, loss, out, shape),
        );
        expect(Math.abs(fused.value[0] - composed.value[0])).toBeLessThanOrEqual(1e-5 * composed.value[0]);
        const norm = Math.hypot(...composed.gradient);
        const apart = Math.hypot(...composed.gradient.map((value, i) => value - fused.gradient[i]));
        expect(apart).toBeLessThanOrEqual(1e-5 * norm);
      },
    ),
    { numRuns: 50 },
  );
});

test('scale is tf.mul', () => {
  const [x, factor] = [tf.randomUniform([2, 3, 5], -1, 1, 'float32', 7), tf.scalar(0.1)];
  expect(scale(x, factor).dataSync()).toEqual(tf.mul(x, factor).dataSync());
});
