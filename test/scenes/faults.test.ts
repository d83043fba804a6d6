import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withRaster } from '../../src/raster/read.js';
import { createCog } from '../../src/raster/write-cog.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { handMadeAligner } from './hand-made-aligner.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const [width, height] = [96, 80];
const noise = (low: number, span: number, seed: number): Uint16Array =>
  Uint16Array.from({ length: width * height }, (_, i) => low + ((i * (2 * seed + 1) * 7919) % span));
const bands = [noise(300, 900, 1), noise(500, 1200, 2), noise(600, 2000, 3), noise(2000, 3000, 4)];
const place = {
  transform: [199980, 10, 0, 3200040, 0, -10] as const,
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};

const write = async (name: string, over: Partial<GeoTiffImage> = {}): Promise<string> => {
  const path = join(folder, name);
  await writeGeoTiff(path, { width, height, bands, georeference: place, nodata: 0, tile: 32, ...over });
  return path;
};

let count = 0;
const apply = (
  request: Partial<SceneRequest> & { inputs: readonly string[] },
  aligner = handMadeAligner(),
) => {
  const out = join(folder, `out-${++count}`, 'a.tif');
  return applyScene({ out, boaOffset: 0, ...request }, { aligner, weights: 'w.safetensors' });
};

const faultsOf = async (work: Promise<unknown>): Promise<readonly string[]> => {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toHaveProperty('faults');
  return (error as { faults: readonly string[] }).faults;
};

/** Whatever a refusal leaves in the folder of its output. */
const left = (): string[] => {
  try {
    return readdirSync(join(folder, `out-${count}`));
  } catch {
    return [];
  }
};

describe('refusals', () => {
  test('an unknown offset names the flag', async () => {
    const faults = await faultsOf(apply({ inputs: [await write('a.tif')], boaOffset: undefined }));
    expect(faults).toEqual([
      expect.stringMatching(/^boa offset: unknown for band blue; give --boa-offset -1000 .* --boa-offset 0/),
    ]);
    expect(left()).toEqual([]);
  });

  test('every fault of an input at once', async () => {
    const small = { width: 40, height: 80, bands: [noise(1, 5, 1).subarray(0, 3200)] };
    const moved = { ...place, transform: [0, 10, 0, 0, 0, -10] as const };
    const faults = await faultsOf(
      apply({
        inputs: [
          await write('x_B02.tif', { bands: [bands[0]] }),
          await write('x_B03.tif', { bands: [bands[1]], georeference: moved }),
          await write('x_B04.tif', { bands: [Int16Array.from(bands[2])], nodata: 7 }),
          await write('x_B08.tif', small),
        ],
        boaOffset: undefined,
        mask: await write('m.tif', { ...small, bands: [new Uint8Array(3200)] }),
      }),
    );
    expect(faults.map((fault) => fault.replaceAll(`${folder}/`, ''))).toEqual([
      expect.stringMatching(/^band: x_B03.tif lies elsewhere \(corner/),
      expect.stringMatching(/^band: x_B08.tif is 40 × 80, the scene 96 × 80; bring it/),
      expect.stringMatching(/^band: x_B04.tif holds int16, x_B02.tif uint16/),
      expect.stringMatching(/^nodata: 0 and 7 in files of one scene; give --nodata/),
      expect.stringMatching(/^boa offset: unknown/),
      expect.stringMatching(/^mask: m.tif is 40 × 80, the scene 96 × 80/),
    ]);
  });

  test('missing files, each', async () => {
    const faults = await faultsOf(
      apply({ inputs: [join(folder, 'no_B02.tif'), join(folder, 'no_B03.tif')] }),
    );
    expect(faults).toHaveLength(2);
    expect(faults[1]).toContain('no_B03.tif; no such file');
  });

  test('bands that nobody names', async () => {
    const six = await write('six.tif', { bands: [...bands, bands[0], bands[1]] });
    expect((await faultsOf(apply({ inputs: [six] })))[0]).toMatch(/has 6, which do not name blue.*--bands/);
    expect(await faultsOf(apply({ inputs: [six], bands: [1, 2, 9] }))).toEqual([
      '--bands: 1,2,9; 4 numbers, for blue, green, red, nir',
      expect.stringMatching(/^--bands: 9; .* has bands 1 to 6/),
    ]);
  });

  test.skipIf(process.platform !== 'linux')(
    'a folder that nobody can make, before the scene is read',
    async () => {
      const input = await write('proc.tif');
      const faults = await faultsOf(apply({ inputs: [input], out: '/proc/nowhere/deep/a.tif' }));
      expect(faults).toEqual([expect.stringMatching(/^write: \/proc\/nowhere\/deep\/a\.tif; ENOENT/)]);
    },
  );

  test('a nodata that the type cannot hold', async () => {
    const input = await write('unholdable.tif', { nodata: -9999 });
    expect(await faultsOf(apply({ inputs: [input] }))).toEqual([
      'nodata: -9999; uint16 cannot hold it: give --type float32, or --nodata none if no pixel has it',
    ]);
  });

  test('a scene without data', async () => {
    const empty = await write('empty.tif', { bands: bands.map((band) => new Uint16Array(band.length)) });
    const faults = await faultsOf(apply({ inputs: [empty] }));
    expect(faults).toHaveLength(4);
    expect(faults[0]).toBe(
      `band blue: no valid pixel (${width * height} nodata, 0 masked of ${width * height}); there is nothing to align`,
    );
    expect(left()).toEqual([]);
  });

  test('reflectance from 0 to 1 taken for × 10 000', async () => {
    const floats = bands.map((band) => Float32Array.from(band, (value) => value / 10_000));
    const faults = await faultsOf(
      apply({ inputs: [await write('f.tif', { bands: floats, nodata: -9999 })] }),
    );
    expect(faults[0]).toMatch(/give --scale 1 /);
    // of fractions no offset of digital numbers is left to ask for
    const inputs = [await write('fractions.tif', { bands: floats, nodata: -9999 })];
    const [asked] = await faultsOf(apply({ inputs, boaOffset: undefined }));
    expect(asked).toMatch(/^boa offset: .*, --scale 1 for reflectance from 0 to 1$/);
    await apply({ inputs, boaOffset: undefined, scale: 1 });
  });

  test('floats in percent taken for × 10 000', async () => {
    const percent = bands.map((band) => Float32Array.from(band, (value) => value / 100));
    const inputs = [await write('percent.tif', { bands: percent, nodata: -9999 })];
    const [refused] = await faultsOf(apply({ inputs }));
    expect(refused).toMatch(
      /^scale: .* are at most 100 in .*; give --scale 100 if it holds reflectance in percent/,
    );
    await apply({ inputs, boaOffset: undefined, scale: 100 });
  });

  test('nodata that the type cannot hold; uncertainty that nobody knows', async () => {
    const floats = bands.map((band) => Float32Array.from(band));
    const inputs = [await write('g.tif', { bands: floats, nodata: -9999 })];
    expect((await faultsOf(apply({ inputs, type: 'uint16' })))[0]).toMatch(
      /^nodata: -9999; uint16 cannot hold it/,
    );
    expect((await faultsOf(apply({ inputs, uncertainty: true })))[0]).toMatch(
      /^uncertainty: the weights carry no/,
    );
  });

  test('an output that is an input', async () => {
    const path = await write('same.tif');
    const before = readFileSync(path);
    expect((await faultsOf(apply({ inputs: [path], out: path })))[0]).toMatch(
      /^out: .*same.tif; is an input/,
    );
    const mask = await write('over.mask.tif', { bands: [new Uint8Array(width * height).fill(1)] });
    const out = join(folder, 'over.tif');
    expect((await faultsOf(apply({ inputs: [path], mask, out })))[0]).toMatch(
      /^out: .*over.mask.tif; is an input/,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('a truncated input', async () => {
    const path = await write('cut.tif');
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length * 0.6));
    expect((await faultsOf(apply({ inputs: [path] })))[0]).toMatch(/cut.tif; .*(cut short|damaged)/);
    expect(left()).toEqual([]);
  });

  test('a block that is damaged inside: nothing is written', async () => {
    const path = await write('bad.tif');
    const bytes = readFileSync(path);
    bytes.fill(0x55, bytes.length - 3000, bytes.length - 200);
    writeFileSync(path, bytes);
    expect((await faultsOf(apply({ inputs: [path] })))[0]).toMatch(/bad.tif; damaged: tile/);
    expect(left()).toEqual([]);
  });
});

describe('warnings', () => {
  const warningsOf = async (request: Partial<SceneRequest> & { inputs: string[] }) =>
    (await apply(request)).warnings.join('\n');

  test('bands in another order, small numbers, zeros without a tag', async () => {
    expect(await warningsOf({ inputs: [await write('nrgb.tif', { bands: [...bands].reverse() })] })).toMatch(
      /band order: nir is the darkest band/,
    );
    const thousand = bands.map((band) => band.map((value) => value / 10));
    expect(await warningsOf({ inputs: [await write('thousand.tif', { bands: thousand })] })).toMatch(
      /--scale 1000/,
    );
    const zeros = bands.map((band) => band.map((value, i) => (i % 4 === 0 ? 0 : value)));
    expect(await warningsOf({ inputs: [await write('zeros.tif', { bands: zeros, nodata: null })] })).toMatch(
      /nodata: 25.0 % of the pixels are 0/,
    );
    expect(await warningsOf({ inputs: [await write('fine_20200101.tif')] })).toBe('');
  });

  test('a tile far from those of training, and bands in an order nearer to it', async () => {
    const bins = 256;
    const max = [3000, 3000, 4000, 6500];
    const meanHistogram = new Float32Array(4 * bins);
    bands.forEach((band, b) => {
      for (const value of band)
        meanHistogram[b * bins + Math.floor((value * bins) / max[b])] += 1 / band.length;
    });
    const distances = max.map(() => Float32Array.of(5, 20));
    const aligner = handMadeAligner({ domain: { meanHistogram, distances } });
    const same = await apply({ inputs: [await write('near_20200101.tif')] }, aligner);
    expect(same.warnings).toEqual([]);
    expect(same.quality.bands[0].distance).toMatchObject({ value: expect.closeTo(0, 2), rank: 0 });
    const other = await apply({ inputs: [await write('far.tif', { bands: [...bands].reverse() })] }, aligner);
    expect(other.warnings.join('\n')).toMatch(
      /band order: nir, red, green, blue would look more like training/,
    );
    expect(other.warnings.join('\n')).toMatch(/histogram: blue, .*farther from training than any/);
    expect(other.quality.farFromTraining).toBe(true);
  });
});

describe('over http', () => {
  let server: Server;
  let drop = 0;
  let cut = 0;
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (drop > 0) {
        drop--;
        request.socket.destroy();
        return;
      }
      const bytes = readFileSync(join(folder, (request.url ?? '').slice(1)));
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      if (!range) return void response.end(bytes);
      const [from, to] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
      response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${bytes.length}` });
      const body = bytes.subarray(from, to + 1);
      if (cut === 0) return void response.end(body);
      cut--;
      // half of what was asked for, then silence
      response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const url = (name: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;

  test('dropped connections are tried again; a server that stays away is named and nothing written', async () => {
    await write('remote.tif');
    drop = 2;
    cut = 1;
    const { out } = await apply({ inputs: [url('remote.tif')] });
    const local = await apply({ inputs: [join(folder, 'remote.tif')] });
    expect(readFileSync(out).equals(readFileSync(local.out))).toBe(true);
    drop = 1e9;
    const faults = await faultsOf(apply({ inputs: [url('remote.tif')] }));
    drop = 0;
    expect(faults[0]).toMatch(/^raster: http:.*remote.tif; .*asked 4 times/);
    cut = 1e9;
    const halves = await faultsOf(apply({ inputs: [url('remote.tif')] }));
    cut = 0;
    expect(halves[0]).toMatch(/^raster: http:.*remote.tif; the connection .*asked 4 times/);
    expect(left()).toEqual([]);
  });
});

/** A file system of 1 MB, where this process may mount one. */
const mountable = ((): boolean => {
  const trial = mkdtempSync(join(tmpdir(), 'bandalign-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', trial]).status === 0;
  if (mounted) spawnSync('umount', [trial]);
  rmSync(trial, { recursive: true });
  return mounted;
})();

test.skipIf(!mountable)(
  `a full disk${mountable ? '' : ' (skipped: may not mount a small file system)'}`,
  async () => {
    const small = join(folder, 'small-disk');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    try {
      const size = 700;
      const random = Uint16Array.from({ length: size * size }, () => Math.floor(Math.random() * 60_000));
      const path = join(folder, 'noise.tif');
      await writeGeoTiff(path, { width: size, height: size, bands: [random, random, random, random] });
      const faults = await faultsOf(apply({ inputs: [path], out: join(small, 'a.tif') }));
      expect(faults).toEqual([
        `disk full: ${join(small, 'a.tif')}; free space for twice the output, or write elsewhere`,
      ]);
      expect(readdirSync(small)).toEqual([]);
      // full when the file is put together: the spill files have room, the second copy does not
      const info = {
        width: size,
        height: size,
        type: 'uint16' as const,
        bands: [{}],
        georeference: null,
        nodata: null,
      };
      const cog = await createCog(join(small, 'b.tif'), info, { compression: 'none', tile: 256 });
      await cog.write([random], 200);
      await cog.write([random.subarray(200 * size)], 500).catch(() => {});
      await expect(cog.finish()).rejects.toThrow('disk full');
      expect(readdirSync(small)).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  },
);

test('a folder that cannot be made is named', async () => {
  await write('for-folder.tif');
  const out = join(folder, 'for-folder.tif', 'a.tif');
  expect(await faultsOf(apply({ inputs: [join(folder, 'for-folder.tif')], out }))).toEqual([
    expect.stringMatching(/^write: .*ENOTDIR/),
  ]);
});

test('an abort leaves nothing', async () => {
  const path = await write('abort.tif');
  for (const after of [1, 3, 6]) {
    const controller = new AbortController();
    let seen = 0;
    const out = join(folder, `aborted-${after}`, 'a.tif');
    const work = applyScene(
      { inputs: [path], out, boaOffset: 0 },
      {
        aligner: handMadeAligner({ withConv: true }),
        weights: 'w',
        step: 16,
        signal: controller.signal,
        onProgress: () => {
          if (++seen === after) controller.abort(new Error('stopped'));
        },
      },
    );
    await expect(work).rejects.toThrow('stopped');
    expect(
      readdirSync(join(folder)).includes(`aborted-${after}`)
        ? readdirSync(join(folder, `aborted-${after}`))
        : [],
    ).toEqual([]);
  }
});

test('a killed process leaves temporary names at most, which the next run clears', {
  timeout: 180_000,
}, async () => {
  const scene = await write('kill_20200101.tif', { tile: 16 });
  const place = join(folder, 'killed');
  const out = join(place, 'a.tif');
  const jiti = join(import.meta.dirname, '../../node_modules/jiti/lib/jiti-cli.mjs');
  for (const line of [1, 6, 9, 10]) {
    const child = spawn(process.execPath, [jiti, join(import.meta.dirname, 'apply-slowly.ts'), scene, out]);
    let lines = 0;
    child.stdout.on('data', (text: Buffer) => {
      lines += text.toString().split('\n').length - 1;
      if (lines >= line) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(lines).toBeGreaterThan(0);
    const names = existsSync(place) ? readdirSync(place).filter((name) => !name.endsWith('.tmp')) : [];
    if (names.includes('a.tif')) expect(await withRaster(out, (raster) => raster.read())).toHaveLength(4);
    if (names.includes('a.json')) expect(names).toContain('a.tif');
  }
  await apply({ inputs: [scene], out });
  expect(readdirSync(place).sort()).toEqual([
    'a.json',
    'a.luts.csv',
    'a.quality.html',
    'a.quality.json',
    'a.tif',
  ]);
});
