import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';

const draw = (random: { next(): number }, count: number): number[] =>
  Array.from({ length: count }, () => random.next());

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, for ever', () => {
    expect(draw(seededRandom(2022), 3)).toEqual(draw(seededRandom(2022), 3));
    expect(seededRandom(2022).state()).toMatchInlineSnapshot(`
      [
        1716414021,
        -709185969,
        -274529540,
        -1611550254,
      ]
    `);
    expect(draw(seededRandom(2022, 'tile', 7), 2)).toMatchInlineSnapshot(`
      [
        0.7506159472309213,
        0.5821309320770521,
      ]
    `);
  });

  it('gives other numbers for another seed', () => {
    const first = [
      seededRandom(1),
      seededRandom(2),
      seededRandom('1'),
      seededRandom(1, 0),
      seededRandom(1, 1),
    ];
    expect(new Set(first.map((random) => random.next())).size).toBe(5);
  });

  it('continues from a stored state as if never stopped', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(200), (seed, before) => {
        const random = seededRandom(seed);
        draw(random, before);
        const state = JSON.parse(JSON.stringify(random.state())) as number[];
        const expected = draw(random, 20);
        const other = seededRandom('another');
        other.restore(state);
        expect(draw(other, 20)).toEqual(expected);
      }),
    );
  });

  it('refuses a state that is none', () => {
    for (const state of [[], [1, 2, 3], [1, 2, 3, 0.5], [1, 2, 3, 2 ** 40]])
      expect(() => seededRandom(1).restore(state)).toThrow(RangeError);
  });

  it('is uniform and normal to within sampling error', () => {
    const random = seededRandom(5);
    const count = 200_000;
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < count; i++) bins[random.integer(10)]++;
    const chi2 = bins.reduce((sum, n) => sum + (n - count / 10) ** 2 / (count / 10), 0);
    expect(chi2).toBeLessThan(27.9); // 0.999 quantile, 9 degrees of freedom
    let [mean, square] = [0, 0];
    for (let i = 0; i < count; i++) {
      const value = random.normal();
      mean += value / count;
      square += value ** 2 / count;
    }
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(square - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
  });

  it('shuffles a copy', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
        const before = [...items];
        const out = seededRandom(seed).shuffled(items);
        expect(items).toEqual(before);
        expect([...out].sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
      }),
    );
  });
});
