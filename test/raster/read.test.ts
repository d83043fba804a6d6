import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/fault.js';
import type { Pixels, RasterWindow } from '../../src/raster/raster.js';
import { openRaster, withRaster } from '../../src/raster/read.js';

const folder = new URL('../fixtures/raster/', import.meta.url).pathname;
const [width, height] = [50, 37];

/** What make.py wrote. */
const expected = (file: string, band: number, row: number, column: number): number => {
  const value = ((977 * band + 131 * row + 17 * column) % 4001) - 500;
  if (file.startsWith('uint16')) return Math.abs(value);
  if (file.startsWith('uint8')) return Math.abs(value) % 256;
  if (file.startsWith('float32')) return Math.fround(value / 7);
  return file.startsWith('float64') ? value / 7 : value;
};

const plane = (file: string, band: number, [x, y, w, h]: RasterWindow = [0, 0, width, height]): number[] =>
  Array.from({ length: w * h }, (_, i) => expected(file, band, y + Math.floor(i / w), x + (i % w)));

const faultsOf = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof Fault) return error.faults;
    throw error;
  }
  return [];
};

const openFiles = async (): Promise<number> => (await readdir('/proc/self/fd').catch(() => [])).length;

let temporary: string;
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'bandalign-raster-'));
});
afterAll(() => rm(temporary, { recursive: true }));

const pixelFiles = (await readdir(folder)).filter((name) => /^(strips|tiles|big|uint|int|float)/.test(name));

describe('openRaster', () => {
  it('has every kind of file to read', () => expect(pixelFiles.length).toBe(23));

  it.each(pixelFiles)('reads %s as GDAL wrote it', async (file) => {
    await withRaster(join(folder, file), async (raster) => {
      expect([raster.width, raster.height, raster.bands]).toEqual([width, height, 4]);
      expect(raster.type).toBe(/^(u?int\d+|float\d+)/.exec(file)?.[0] ?? 'int16');
      const bands = await raster.read();
      bands.forEach((band, index) => {
        expect(Array.from(band)).toEqual(plane(file, index));
      });
    });
  });

  it('reads any window of any bands, many at once', async () => {
    const window = fc
      .tuple(fc.nat(width - 1), fc.nat(height - 1))
      .chain(([x, y]) =>
        fc.tuple(
          fc.constant(x),
          fc.constant(y),
          fc.integer({ min: 1, max: width - x }),
          fc.integer({ min: 1, max: height - y }),
        ),
      );
    const bands = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });
    for (const file of ['tiles-zstd2-pixel.tif', 'tiles-deflate-band.tif', 'strips-lzw2-band.tif']) {
      const raster = await openRaster(join(folder, file));
      const asks = fc.sample(fc.tuple(window, bands), { numRuns: 60, seed: 7 });
      const answers = await Promise.all(
        asks.map(([area, list]) => raster.read({ window: area, bands: list })),
      );
      asks.forEach(([area, list], ask) => {
        expect(answers[ask].map((band) => Array.from(band))).toEqual(
          list.map((band) => plane(file, band - 1, area)),
        );
      });
      await raster.close();
    }
  });

  it('reads names, scales, nodata and place as gdalinfo shows them', async () => {
    await withRaster(join(folder, 'dressed.tif'), async (raster) => {
      expect(raster.bandNames).toEqual(['blue', 'green', 'red', 'nir']);
      expect(raster.scale).toEqual([0.0001, 0.0001, 0.0001, 0.0001]);
      expect(raster.offset).toEqual([expect.closeTo(0), -0.1, -0.2, expect.closeTo(-0.3, 12)]);
      expect(raster.nodata).toBe(-9999);
      expect(raster.georeference).toMatchObject({
        transform: [504480, 16, 0, 5000000, 0, -16],
        epsg: 32631,
        pixelIsArea: true,
      });
    });
    await withRaster(join(folder, 'dressed-point.tif'), async (raster) =>
      expect(raster.georeference).toMatchObject({
        transform: [504480, 16, 0, 5000000, 0, -16],
        pixelIsArea: false,
      }),
    );
    await withRaster(join(folder, 'rotated-nan.tif'), async ({ georeference, nodata }) => {
      expect(georeference?.epsg).toBe(4326);
      expect(georeference?.transform).toEqual([10, 0.001, 0.0002, 50, 0.0003, -0.001]);
      expect(nodata).toBeNaN();
    });
  });

  it('fills tiles that a sparse file leaves out with nodata', async () => {
    await withRaster(join(folder, 'sparse-nodata.tif'), async (raster) => {
      const [band] = await raster.read();
      const value = (row: number, column: number): number => band[row * width + column];
      expect(value(15, 15)).toBe(expected('', 0, 15, 15));
      expect([value(0, 16), value(16, 0), value(36, 49)]).toEqual([-9999, -9999, -9999]);
    });
  });
});

describe('bad files', () => {
  it('each get one line that names the file and what is wrong', async () => {
    const put = async (name: string, bytes: Uint8Array | string): Promise<string> => {
      await writeFile(join(temporary, name), bytes);
      return join(temporary, name);
    };
    const cases: [string, RegExp][] = [
      [join(temporary, 'absent.tif'), /no such file/],
      [temporary, /not a file/],
      [await put('empty.tif', ''), /empty/],
      [await put('text.tif', 'hello, this is no image'), /not a TIFF/],
      [await put('header.tif', Uint8Array.from([0x49, 0x49, 42, 0, 8, 0, 0, 0])), /cut short or damaged/],
      [join(folder, 'refused-jpeg.tif'), /compression 7/],
      [join(folder, 'refused-one-bit.tif'), /samples of type uint1/],
    ];
    for (const [path, problem] of cases) {
      const faults = await faultsOf(() => openRaster(path));
      expect(faults).toHaveLength(1);
      expect(faults[0]).toMatch(problem);
      expect(faults[0]).toContain(path);
    }
  });

  it('are never read as zeros, wherever they were cut', async () => {
    for (const file of ['strips-none-pixel.tif', 'tiles-zstd2-pixel.tif', 'bigtiff-tiles-deflate2.tif']) {
      const bytes = await readFile(join(folder, file));
      for (let share = 0; share < 1; share += 0.05) {
        const path = join(temporary, 'cut.tif');
        await writeFile(path, bytes.subarray(0, Math.floor(share * bytes.length)));
        const faults = await faultsOf(() => withRaster(path, (raster) => raster.read()));
        expect(faults.join()).toMatch(/cut short|damaged|empty|not a TIFF/);
        expect(faults).toHaveLength(1);
      }
    }
  });

  it('are told when they become shorter while open', async () => {
    const path = join(temporary, 'shrinking.tif');
    await writeFile(path, await readFile(join(folder, 'strips-none-band.tif')));
    const raster = await openRaster(path);
    await truncate(path, 3000);
    const faults = await faultsOf(() => raster.read());
    await raster.close();
    // what the first page holds may still be served: then the pixels must be right
    if (faults.length > 0) expect(faults[0]).toMatch(/cut short/);
  });

  it('are told apart from good ones when bytes are flipped, or give other pixels, but never crash', async () => {
    const bytes = await readFile(join(folder, 'tiles-lzw2-pixel.tif'));
    const path = join(temporary, 'flipped.tif');
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const copy = Uint8Array.from(bytes);
        copy[at] ^= flip;
        await writeFile(path, copy);
        const faults = await faultsOf(() => withRaster(path, (raster) => raster.read()));
        expect(faults.length).toBeLessThan(2);
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it('leave no file open', async () => {
    const before = await openFiles();
    for (let i = 0; i < 20; i++) {
      await faultsOf(() => openRaster(join(folder, 'refused-jpeg.tif')));
      await withRaster(join(folder, 'dressed.tif'), (raster) => raster.read());
      await faultsOf(() =>
        withRaster(join(folder, 'dressed.tif'), (raster) => raster.read({ window: [49, 0, 2, 1] })),
      );
    }
    expect(await openFiles()).toBe(before);
  });

  it('windows and bands beyond the raster are refused', async () => {
    await withRaster(join(folder, 'dressed.tif'), async (raster) => {
      for (const window of [
        [0, 0, 51, 1],
        [-1, 0, 2, 2],
        [0, 0, 0, 1],
        [0.5, 0, 1, 1],
      ] as unknown as RasterWindow[])
        expect(await faultsOf(() => raster.read({ window }))).toHaveLength(1);
      expect(await faultsOf(() => raster.read({ bands: [5] }))).toHaveLength(1);
      expect(await faultsOf(() => raster.read({ bands: [0] }))).toHaveLength(1);
    });
  });
});

describe('over http', () => {
  let server: Server;
  let url: string;
  let requests: string[] = [];
  let failures = 0;
  const file = 'tiles-deflate2-pixel.tif';

  beforeAll(async () => {
    const bytes = await readFile(join(folder, file));
    server = createServer((request, response) => {
      requests.push(request.headers.range ?? 'all');
      if (failures-- > 0) return void response.writeHead(503).end('busy');
      if (request.url === '/absent.tif') return void response.writeHead(404).end();
      const size = request.url === '/cut.tif' ? bytes.length - 100 : bytes.length;
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      if (request.url === '/whole.tif' || !range) return void response.writeHead(200).end(bytes);
      const [from, to] = [Number(range[1]), Math.min(Number(range[2]), size - 1)];
      if (from >= size) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      response
        .writeHead(206, { 'content-range': `bytes ${from}-${to}/${size}` })
        .end(bytes.subarray(from, to + 1));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const same = (bands: Pixels[]): void =>
    bands.forEach((band, index) => {
      expect(Array.from(band)).toEqual(plane(file, index));
    });

  it('reads by byte ranges, or whole where the server has none', async () => {
    requests = [];
    await withRaster(`${url}/ranges.tif`, async (raster) => same(await raster.read()));
    expect(requests.every((range) => range.startsWith('bytes='))).toBe(true);
    await withRaster(`${url}/whole.tif`, async (raster) => same(await raster.read()));
  });

  it('asks again when the server is busy', async () => {
    failures = 2;
    await withRaster(`${url}/ranges.tif`, async (raster) => same(await raster.read()));
  });

  it('says what the server lacks', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect((await faultsOf(() => openRaster(`${url}/absent.tif`)))[0]).toMatch(/no such file/);
    expect((await faultsOf(() => openRaster(`${url}/cut.tif`)))[0]).toMatch(/cut short/);
    expect((await faultsOf(() => openRaster(`http://127.0.0.1:${port}/x.tif`)))[0]).toMatch(
      /ECONNREFUSED.*asked 4 times/,
    );
  });
});
