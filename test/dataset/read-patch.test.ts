import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/dataset/layout.js';
import type { Patch } from '../../src/dataset/patch.js';
import { inspectPatch, readPatch } from '../../src/dataset/read-patch.js';
import { projectedGeoreference } from '../../src/raster/georeference.js';
import type { GeoTiffImage } from '../../src/raster/write-geotiff.js';
import { dataOf, emptyFolder, faultsOf, image, mask, writePatch } from './dataset-on-disk.js';

const bands = ['blue', 'green', 'red', 'nir'];
let root: string;
beforeAll(async () => {
  root = await emptyFolder();
});
afterAll(() => rm(root, { recursive: true }));

let made = 0;
/** A patch of the layout whose files differ from good ones as told. */
const patch = async (
  images: { S2?: GeoTiffImage; GF1?: GeoTiffImage; mask?: GeoTiffImage } = {},
): Promise<Patch> => {
  const file = `t_20200101-${String(made++).padStart(2, '0')}-00.tif`;
  await writePatch(root, `A/${file}`, images);
  const ref = (folder: string) => ({ path: join(root, 'A', folder, file), window: null, bands: null });
  return {
    id: `A/${file}`,
    region: 'A',
    tile: 't',
    date: '20200101',
    source: ref('S2'),
    target: ref('GF1'),
    mask: ref('mask'),
  };
};
const floats = (values: readonly number[]): GeoTiffImage['bands'] =>
  bands.map(() => Float32Array.from(values));
const place = (x: number): Pick<GeoTiffImage, 'georeference'> => ({
  georeference: projectedGeoreference(32631, x, 5_000_000, 16),
});

describe('readPatch', () => {
  it('gives source, target and mask, band by band', async () => {
    const pixels = await readPatch(await patch({ mask: mask(255) }), bands);
    expect(pixels).toMatchObject({ width: 6, height: 5, bands: 4 });
    expect([0, 29, 30, 119].map((i) => [pixels.source[i], pixels.target[i]])).toEqual([
      [1, 5],
      [1, 5],
      [2, 6],
      [4, 8],
    ]);
    expect(new Set(pixels.mask)).toEqual(new Set([1]));
  });

  it('rounds floats, saturates what the mask hides, and reads uint16', async () => {
    const values = Array.from({ length: 30 }, (_, i) => 100 + i + 0.4);
    [values[0], values[1], values[2], values[3]] = [Number.NaN, 1e9, Number.NEGATIVE_INFINITY, 7.5];
    const hidden = new Uint8Array(30).fill(1);
    hidden.fill(0, 0, 3);
    const S2 = image([0], { bands: floats(values) });
    const GF1 = image([0], { bands: bands.map(() => new Uint16Array(30).fill(32767).fill(65535, 0, 1)) });
    const pixels = await readPatch(await patch({ S2, GF1, mask: mask(1, { bands: [hidden] }) }), bands);
    expect(Array.from(pixels.source.subarray(0, 5))).toEqual([0, 32767, -32768, 8, 104]);
    expect(Array.from(pixels.target.subarray(0, 2))).toEqual([32767, 32767]);
  });

  it('tells all that is wrong with a patch, a line each', async () => {
    const nan = Array.from({ length: 30 }, (_, i) => (i === 8 ? Number.NaN : 500 + i));
    const cases: [Parameters<typeof patch>[0], RegExp[]][] = [
      [{ S2: image([1, 2, 3]) }, [/S2.*3 bands, it must have 4/]],
      [{ mask: image([1, 1]) }, [/mask.*2 bands, it must have 1/]],
      [{ GF1: image([1, 2, 3, 4], { width: 7 }) }, [/GF1.*7 × 5 pixels.*6 × 5/]],
      [
        { GF1: image([1, 2, 3, 4], place(500_016)), mask: mask(1, { height: 4 }) },
        [/GF1.*elsewhere/, /mask.*6 × 4/],
      ],
      [{ mask: mask(1, place(499_992)) }, [/mask.*elsewhere/]],
      [
        { S2: image([0], { bands: floats(nan) }) },
        [/blue is NaN at column 2, row 1: mask/, /green/, /red/, /nir/],
      ],
      [
        { GF1: image([0], { bands: bands.map((_, i) => new Uint16Array(30).fill(i === 2 ? 40_000 : 5)) }) },
        [/band red is 40000, beyond int16, at column 0, row 0 and in 29 more/],
      ],
      [{ S2: image([0], { bands: floats(new Array(30).fill(0.25)) }) }, [/reflectance from 0 to 1/]],
      [
        { S2: image([0], { bands: floats(new Array(30).fill(25.5)) }) },
        [/reflectance in percent, multiply it by 100 .*data\.pair\.scale=100/],
      ],
    ];
    for (const [images, problems] of cases) {
      const bad = await patch(images);
      const { faults, pixels } = await inspectPatch(bad, bands);
      expect(pixels).toBeNull();
      expect(faults).toHaveLength(problems.length);
      for (const [i, problem] of problems.entries()) expect(faults[i]).toMatch(problem);
      expect(await faultsOf(() => readPatch(bad, bands))).toEqual(faults);
    }
  });

  it('tells of every file that cannot be read', async () => {
    const bad = await patch();
    await rm(bad.source.path);
    await truncate(bad.target.path, 40);
    expect((await inspectPatch(bad, bands)).faults).toHaveLength(2);
  });

  it('accepts a mask without a place, and CRSs that agree', async () => {
    expect(
      (await inspectPatch(await patch({ mask: mask(1, { georeference: null }) }), bands)).faults,
    ).toEqual([]);
  });

  it('takes the mask’s word over nodata, and nodata’s where there is no mask', async () => {
    const S2 = image([1, 2, 3, 4], { nodata: 3 });
    const masked = await patch({ S2 });
    const { pixels, notes } = await inspectPatch(masked, bands);
    expect(pixels?.mask.every((valid) => valid === 1)).toBe(true);
    expect(notes).toHaveLength(1);
    const unmasked = await readPatch({ ...masked, mask: null }, bands);
    expect(unmasked.mask.every((valid) => valid === 0)).toBe(true);
    const nan = Array.from({ length: 30 }, (_, i) => (i === 8 ? Number.NaN : 500 + i));
    const floating = await patch({ S2: image([0], { bands: floats(nan), nodata: Number.NaN }) });
    expect((await readPatch({ ...floating, mask: null }, bands)).mask[8]).toBe(0);
  });

  it('reads windows and bands', async () => {
    const whole = await patch({ S2: image([1, 2, 3, 4, 5, 6]) });
    const window = [2, 1, 3, 2] as const;
    const pixels = await readPatch(
      {
        ...whole,
        source: { ...whole.source, window, bands: [6, 1, 2, 3] },
        target: { ...whole.target, window, bands: null },
        mask: { path: whole.mask?.path ?? '', window, bands: null },
      },
      bands,
    );
    expect([pixels.width, pixels.height, pixels.source[0], pixels.source[6]]).toEqual([3, 2, 6, 1]);
  });
});

describe('the parity fixture', () => {
  it('is read whole: mixed types, strips, tiles and compressions', async () => {
    const parity = new URL('../fixtures/parity/data', import.meta.url).pathname;
    const { all, lists } = await openDataset(parity, dataOf());
    expect([lists.train.length, lists.val.length, lists.test.length]).toEqual([8, 3, 4]);
    for (const item of all) {
      const { faults, notes, pixels } = await inspectPatch(item, bands);
      expect([faults, notes]).toEqual([[], []]);
      expect([pixels?.width, pixels?.height]).toEqual([36, 40]);
    }
  });
});
