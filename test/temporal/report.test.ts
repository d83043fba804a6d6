import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { analyse } from '../../src/temporal/analyse.js';
import { writeReport } from '../../src/temporal/report.js';
import { mgrsPlaces, simulateCatalog } from '../../src/temporal/simulate.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('writes tables, figures and one page, each of which says that the acquisitions are simulated', async () => {
  const catalog = simulateCatalog(mgrsPlaces(['13TDE', '31UFP']), { period: { from: 19_723, to: 19_823 } });
  const analysis = analyse(catalog, { sensors: ['s2', 'gf1'], bootstrap: { draws: 200 } });
  const written = await writeReport(analysis, folder);
  expect(written).toEqual([
    'summary.json',
    ...['gain', 'tiles', 'months'].flatMap((name) => [`${name}.csv`, `${name}.md`]),
    ...['gain', 'gap-ecdf', 'months', 'calendar', 'map'].map((name) => `figures/${name}.html`),
    'report.html',
  ]);
  expect((await readdir(folder)).sort()).toEqual(
    [...new Set(written.map((name) => name.split('/')[0]))].sort(),
  );
  for (const name of written) expect(await readFile(join(folder, name), 'utf8'), name).toContain('simulated');
  const rows = (await readFile(join(folder, 'tiles.csv'), 'utf8')).trim().split('\n');
  expect(rows).toHaveLength(1 + 2 * 3);
  const { tiles } = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8')) as {
    tiles: Record<string, object>;
  };
  expect(Object.keys(tiles['13TDE'])).toEqual(['s2', 'gf1', 's2+gf1']);
});

it('gives no interval for a mean that one tile alone has a value for', () => {
  const of = (tile: string, platform: string, day: number) => ({
    ...{ tile, platform, time: day * 86_400_000, clear: 1 },
  });
  const acquisitions = [0, 3, 8].flatMap((day) => [
    of('13TDE', 's2a', day),
    of('13TDF', 's2a', day + 1),
    of('13TDE', 'gf1', day),
  ]);
  const catalog = { acquisitions, outlines: new Map(), simulated: false, notes: [] };
  const gap = analyse(catalog, { sensors: ['s2', 'gf1'], extent: 'whole' })
    .gain()
    .find(({ measure }) => measure.key === 'meanGap')!;
  expect(gap.tiles).toEqual({ s2: 2, gf1: 1, 's2+gf1': 2 });
  expect(gap.means['gf1']).toEqual({ value: 4, low: Number.NaN, high: Number.NaN });
  expect(gap.ratios['gf1']).toEqual({ value: 1, low: Number.NaN, high: Number.NaN });
  expect(gap.means['s2']).toEqual({ value: 4, low: 4, high: 4 });
});

it('resamples tiles for its intervals, the same each time, and gives none for one tile', () => {
  const period = { from: 19_723, to: 19_823 };
  const of = (tiles: string[]) =>
    analyse(simulateCatalog(mgrsPlaces(tiles), { period }), { sensors: ['s2', 'gf1'] }).gain();
  const several = of(['13TDE', '31UFP', '35MNM', '21KYU']);
  expect(of(['13TDE', '31UFP', '35MNM', '21KYU'])).toEqual(several);
  for (const { means, ratios } of several)
    for (const { value, low, high } of [...Object.values(means), ...Object.values(ratios)]) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
  const clear = several.find(({ measure }) => measure.key === 'nClear')!;
  expect(clear.ratios['gf1'].value).toBeCloseTo(clear.means['s2+gf1'].value / clear.means['gf1'].value, 12);
  expect(clear.ratios['gf1'].value).toBeGreaterThanOrEqual(1);
  expect(of(['13TDE'])[0].means['s2'].low).toBeNaN();
});
