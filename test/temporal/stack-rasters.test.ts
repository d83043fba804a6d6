import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { withRaster } from '../../src/raster/read.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { dayOf, dayText, parseTime } from '../../src/temporal/days.js';
import { openMasks, parseClearRule } from '../../src/temporal/mask-stack.js';
import { mergeDays, uniteDays } from '../../src/temporal/merge.js';
import { writeStackStatistics } from '../../src/temporal/stack-rasters.js';
import { seriesStatistics } from '../../src/temporal/statistics.js';

const day = (text: string) => dayOf(parseTime(text)!);
const cloudMasks = fileURLToPath(new URL('../../../shared/data/cloud-masks/', import.meta.url));
/** UTM zone 13 north as GeoTIFF keys. */
const geoKeys = {
  directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32613],
  doubles: [],
  ascii: '',
};
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'masks-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = (path: string) => withRaster(path, async (raster) => (await raster.read())[0]);

describe('statistics of mask stacks', () => {
  it('equal those of each pixel alone, for each sensor and both', async () => {
    const [width, height] = [19, 7];
    const random = seededRandom(5, 'masks');
    const clear: Record<string, { date: string; mask: Uint8Array }[]> = { s2: [], gf1: [] };
    for (const [sensor, step] of [
      ['s2', 5],
      ['gf1', 4],
    ] as const) {
      await mkdir(join(folder, sensor));
      for (let at = day('2023-11-20'); at < day('2024-03-20'); at += step) {
        const date = dayText(at);
        const mask = Uint8Array.from({ length: width * height }, (_, pixel) =>
          Number(pixel !== 3 && random.next() < 0.4),
        );
        clear[sensor].push({ date, mask });
        await writeGeoTiff(join(folder, sensor, `${date.replaceAll('-', '')}_mask.tif`), {
          width,
          height,
          bands: [mask],
          georeference: {
            transform: [399960, 10, 0, 4400040, 0, -10],
            epsg: 32613,
            pixelIsArea: true,
            geoKeys,
          },
        });
      }
    }
    const stack = await openMasks([
      { sensor: 's2', path: join(folder, 's2') },
      { sensor: 'gf1', path: join(folder, 'gf1') },
    ]);
    const period = { from: day('2023-12-01'), to: day('2024-03-10') };
    const out = join(folder, 'out');
    const names = await writeStackStatistics(stack, out, period);
    expect(names).toHaveLength(3 * 24);
    expect(names).toContain('2023-2024_001-365-04_HL_CSO_S2+GF1_NUM.tif');
    // nothing else is left behind
    expect((await readdir(out)).sort()).toEqual([...names].sort());
    for (const set of ['S2', 'GF1', 'S2+GF1']) {
      const rasters = new Map<string, ArrayLike<number>>();
      for (const code of ['CSO_NUM', 'CSO_MAX', 'CSO_AVG', 'GAP_MIN', 'GAP_Q50', 'GAP_STD', 'CSO_W10'])
        rasters.set(
          code,
          await read(join(out, `2023-2024_001-365-04_HL_${code.replace('_', `_${set}_`)}.tif`)),
        );
      for (let pixel = 0; pixel < width * height; pixel++) {
        const series = set
          .toLowerCase()
          .split('+')
          .map((sensor) =>
            mergeDays(
              clear[sensor]
                .filter(({ mask }) => mask[pixel] === 1)
                .map(({ date }) => ({ time: parseTime(date)!, clear: 1 })),
            ),
          );
        const want = seriesStatistics(uniteDays(series), period, 0.5);
        const has = (code: string) => rasters.get(code)![pixel];
        expect(has('CSO_NUM')).toBe(want.n);
        expect(has('CSO_MAX')).toBe(want.gapsWithEdges.max);
        expect(has('CSO_AVG')).toBeCloseTo(want.gapsWithEdges.mean!, 4);
        expect(has('GAP_MIN')).toBe(want.gaps.min ?? -9999);
        expect(has('GAP_Q50')).toBeCloseTo(want.gaps.median ?? -9999, 4);
        expect(has('GAP_STD')).toBeCloseTo(want.gaps.std ?? -9999, 3);
        expect(has('CSO_W10')).toBeCloseTo(want.windows[2]! * 100, 3);
      }
    }
    const where = await withRaster(join(out, names[0]), async ({ georeference, nodata }) => [
      georeference?.epsg,
      nodata,
    ]);
    expect(where).toEqual([32613, -9999]);
  });

  it('refuses masks of other sizes and places, without dates and broken, all at once', async () => {
    const bad = join(folder, 'bad');
    await mkdir(bad);
    const write = (name: string, width: number, x0: number) =>
      writeGeoTiff(join(bad, name), {
        width,
        height: 2,
        bands: [new Uint8Array(width * 2)],
        georeference: { transform: [x0, 10, 0, 0, 0, -10], epsg: 32613, pixelIsArea: true, geoKeys },
      });
    await write('20240101.tif', 4, 0);
    await write('20240102.tif', 5, 0);
    await write('20240103.tif', 4, 10);
    await write('undated_20241301.tif', 4, 0);
    await writeFile(join(bad, '20240105.tif'), 'not a tiff');
    await expect(openMasks([{ sensor: 's2', path: bad }])).rejects.toMatchObject({
      faults: [
        expect.stringContaining('20240105.tif'),
        expect.stringContaining('undated_20241301.tif; no date in its name'),
        expect.stringMatching(/20240102.tif; 5 × 2 pixels, .*20240101.tif has 4 × 2/),
        expect.stringMatching(/20240103.tif; corner/),
      ],
    });
    expect(parseClearRule('4,5')).toEqual([4, 5]);
    expect(() => parseClearRule('4,,5')).toThrow(/--clear-if/);
  });

  it('dates a mask by the first digits of its name that are a day', async () => {
    const names = [
      '33032033_20240709_mask.tif',
      'LC08_L2SP_033032_20241127_20241202_02_T1.tif',
      'a2024-07-09T10.tif',
    ];
    for (const name of names)
      await writeGeoTiff(join(folder, name), {
        width: 1,
        height: 1,
        bands: [new Uint8Array(1)],
        georeference: null,
      });
    const stack = await openMasks(names.map((name) => ({ sensor: 's2', path: join(folder, name) })));
    expect(stack.layers.map(({ time }) => dayText(dayOf(time)))).toEqual([
      '2024-07-09',
      '2024-07-09',
      '2024-11-27',
    ]);
  });

  it.skipIf(!existsSync(cloudMasks))('counts 68 real masks (skipped without shared data)', async () => {
    const dates = join(cloudMasks, 'timestamps.json');
    const stack = await openMasks([{ sensor: 's2', path: join(cloudMasks, 'CLM.npy') }], {
      clear: 'zero',
      dates,
    });
    expect([stack.width, stack.height, stack.layers.length]).toEqual([100, 101, 68]);
    const out = join(folder, 'real');
    await writeStackStatistics(stack, out);
    const num = await read(join(out, '2015-2017_001-365-30_HL_CSO_S2_NUM.tif'));
    // 68 masks of 67 days: the sum over the masks, less the pixels clear on both of 2015-12-08
    let sum = 0;
    const onDay = new Uint8Array(100 * 101);
    for (const layer of stack.layers) {
      const clear = await layer.read();
      const twice = dayText(dayOf(layer.time)) === '2015-12-08';
      clear.forEach((value, pixel) => {
        if (twice && value && onDay[pixel]++) return;
        sum += value;
      });
    }
    expect(Array.from(num).reduce((total, value) => total + value, 0)).toBe(sum);
  });
});
