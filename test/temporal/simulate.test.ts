import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Papa from 'papaparse';
import { describe, expect, it } from 'vitest';
import { analyse } from '../../src/temporal/analyse.js';
import { sceneCloud, zonalCloud } from '../../src/temporal/cloud-climate.js';
import { dayOf, dayText, parseTime } from '../../src/temporal/days.js';
import { readCatalogs } from '../../src/temporal/read-catalogs.js';
import { catalogCsv, mgrsPlaces, simulateCatalog } from '../../src/temporal/simulate.js';

const day = (text: string) => dayOf(parseTime(text)!);
const period = { from: day('2024-07-11'), to: day('2024-08-27') };

describe('the simulator', () => {
  it("flies Sentinel-2's real orbits: the dates of 54 real tiles", async () => {
    const path = fileURLToPath(new URL('../../notebooks/data/s2_items_1000.csv', import.meta.url));
    const rows = Papa.parse<Record<string, string>>(await readFile(path, 'utf8'), {
      header: true,
      skipEmptyLines: true,
    }).data;
    const real = new Map<string, Set<string>>();
    for (const row of rows) {
      const date = row['datetime'].slice(0, 10);
      const at = day(date);
      const seen = 100 - Number(row['s2:nodata_pixel_percentage']);
      // slivers come and go with a degree of roll: compare what covers a good part
      if (at < period.from || at > period.to || seen < 20) continue;
      const dates = real.get(row['s2:mgrs_tile']) ?? new Set();
      real.set(row['s2:mgrs_tile'], dates.add(`${date} ${row['platform'].slice(-1).toLowerCase()}`));
    }
    const catalog = simulateCatalog(mgrsPlaces([...real.keys()]), {
      period,
      sensors: ['s2'],
      leastCover: 0.2,
    });
    let [agree, either] = [0, 0];
    for (const [tile, dates] of real) {
      const simulated = new Set(
        catalog.acquisitions
          .filter((one) => one.tile === tile)
          .map(({ time, platform }) => `${dayText(dayOf(time))} ${platform.slice(-1)}`),
      );
      for (const date of new Set([...dates, ...simulated])) {
        either += 1;
        agree += Number(dates.has(date) && simulated.has(date));
      }
    }
    expect(either).toBeGreaterThan(600);
    expect(agree / either).toBeGreaterThan(0.95);
  });

  it('sees with GF-1 every four days, and more often with Sentinel-2 towards the poles', () => {
    const year = { from: day('2024-01-01'), to: day('2024-12-31') };
    const catalog = simulateCatalog(mgrsPlaces(['35MNM', '31UFP', '33WXP']), { period: year });
    const { statistics } = analyse(catalog, { sensors: ['s2', 'gf1'], threshold: 0 });
    for (const bySet of statistics.values()) {
      const gf1 = bySet.get('gf1')!;
      expect([gf1.gaps.min, gf1.gaps.max]).toEqual([4, 4]);
    }
    const [equator, middle, north] = ['35MNM', '31UFP', '33WXP'].map(
      (tile) => statistics.get(tile)!.get('s2')!.n,
    );
    expect(equator).toBeGreaterThanOrEqual(73);
    expect(middle).toBeGreaterThan(equator);
    expect(north).toBeGreaterThan(middle);
  });

  it('gives the same for the same seed, and carries its label through a file', async () => {
    const make = (seed: number) => catalogCsv(simulateCatalog(mgrsPlaces(['13TDE']), { period, seed }));
    expect(make(1)).toBe(make(1));
    expect(make(1)).not.toBe(make(2));
    const folder = await mkdtemp(join(tmpdir(), 'simulated-'));
    await writeFile(join(folder, 'x.csv'), make(1));
    const catalog = await readCatalogs([join(folder, 'x.csv')]);
    await rm(folder, { recursive: true });
    expect(catalog.simulated).toBe(true);
    expect(() => mgrsPlaces(['13TDE', 'Paris', '99XYZ'])).toThrow(/tile: Paris.*\n.*99XYZ/);
  });

  it('draws cloud with the mean asked for, more of it in the tropics than in the desert', () => {
    for (const mean of [0.2, 0.55, 0.85]) {
      let sum = 0;
      // the normal distribution's quantiles, by its inverse at equal shares
      const n = 2000;
      for (let index = 0; index < n; index++) {
        const share = (index + 0.5) / n;
        let [low, high] = [-8, 8];
        for (let step = 0; step < 50; step++) {
          const middle = (low + high) / 2;
          if (sceneCloudShare(middle) < share) low = middle;
          else high = middle;
        }
        sum += sceneCloud(mean, (low + high) / 2);
      }
      expect(sum / n).toBeCloseTo(mean, 2);
    }
    expect(zonalCloud(3, 2)).toBeGreaterThan(zonalCloud(24, 2) + 0.2);
  });
});

/** Φ(z) by Simpson's rule: independent of the series that the program uses. */
const sceneCloudShare = (z: number): number => {
  const steps = 400;
  const [from, width] = [-8, (z + 8) / steps];
  let sum = 0;
  for (let index = 0; index <= steps; index++) {
    const x = from + index * width;
    sum += (index === 0 || index === steps ? 1 : index % 2 === 1 ? 4 : 2) * Math.exp((-x * x) / 2);
  }
  return (sum * width) / 3 / Math.sqrt(2 * Math.PI);
};
