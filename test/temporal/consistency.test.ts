import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { discontinuityOf, roughnessOf, seriesConsistency } from '../../src/temporal/consistency.js';

const season = (day: number, band: number) =>
  [400, 700, 900 - 400 * Math.sin(day / 60), 2500 + 900 * Math.sin(day / 60)][band];
const bands = [0, 1, 2, 3];

describe('consistency of a joint series', () => {
  it('is what is left after a perfect alignment: the noise', () => {
    const random = seededRandom(3);
    const target = { days: [...Array(40).keys()].map((at) => at * 4), values: [] as number[][] };
    const source = { days: [...Array(32).keys()].map((at) => at * 5 + 1), values: [] as number[][] };
    target.values = bands.map((band) => target.days.map((day) => season(day, band)));
    // the other sensor sees 1.1 times and 30 less, with a little noise
    source.values = bands.map((band) =>
      source.days.map((day) => 1.1 * season(day, band) - 30 + random.normal()),
    );
    const mapping = {
      form: 'affine',
      slope: bands.map(() => 1 / 1.1),
      intercept: bands.map(() => 30 / 1.1),
    } as const;
    const found = seriesConsistency(source, target, mapping);
    expect(found.density.target).toEqual({ n: 40, meanGap: 4 });
    expect(found.density.both.n).toBe(64);
    for (const band of bands) {
      expect(found.after.bands[band].discontinuity.rmse).toBeLessThan(
        0.35 * found.before.bands[band].discontinuity.rmse,
      );
      expect(found.after.bands[band].roughness).toBeLessThan(found.before.bands[band].roughness);
    }
    expect(found.after.ndvi.discontinuity.rmse).toBeLessThan(found.before.ndvi.discontinuity.rmse);
    expect(found.aligned.values[3][0]).toBeCloseTo(season(1, 3), -1);
    expect(() => seriesConsistency(source, { ...target, values: target.values.slice(1) }, mapping)).toThrow(
      /4 and 3 bands/,
    );
  });

  it('pairs each observation with the nearest within reach', () => {
    expect(discontinuityOf([0, 10, 20], [1, 5, 9], [2, 11, 40], [0, 2, 0], 2)).toEqual({
      pairs: 2,
      rmse: Math.sqrt((1 + 9) / 2),
      bias: 2,
    });
    expect(discontinuityOf([0], [1], [9], [1], 2).pairs).toBe(0);
  });

  it('finds a straight line smooth, and a jump as high as it is', () => {
    expect(roughnessOf([0, 2, 6, 7], [0, 2, 6, 7], 30)).toBe(0);
    expect(roughnessOf([0, 1, 2], [0, 1, 0], 30)).toBe(1);
    expect(roughnessOf([0, 40, 80], [0, 1, 0], 30)).toBeNaN();
  });
});
