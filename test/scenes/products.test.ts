import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { openStacItem } from '../../src/scenes/stac-input.js';
import { handMadeAligner } from './hand-made-aligner.js';

const names = ['blue', 'green', 'red', 'nir'];
const [width, height] = [60, 50];
const georeference = {
  transform: [199980, 10, 0, 3200040, 0, -10] as const,
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};
const bands = [0, 1, 2, 3].map((k) =>
  Uint16Array.from({ length: width * height }, (_, i) => 1600 + 300 * k + ((i * 17) % 900)),
);

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
  for (const [k, name] of ['B02', 'B03', 'B04', 'B08'].entries())
    await writeGeoTiff(join(folder, `${name}.tif`), {
      width,
      height,
      bands: [bands[k]],
      georeference,
      nodata: 0,
    });
  const classes = Uint8Array.from({ length: (width * height) / 4 }, (_, i) => (i % 3 === 1 ? 9 : 4));
  await writeGeoTiff(join(folder, 'SCL.tif'), {
    width: width / 2,
    height: height / 2,
    bands: [classes],
    georeference: { ...georeference, transform: [199980, 20, 0, 3200040, 0, -20] },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const apply = (request: Partial<SceneRequest> & { inputs: string[] }) =>
  applyScene(
    { out: join(folder, `out-${++count}`, 'a.tif'), ...request },
    { aligner: handMadeAligner(), weights: 'w' },
  );

const faultsOf = (work: Promise<unknown>): Promise<readonly string[]> =>
  work.then(
    () => [],
    (error: { faults: readonly string[] }) => error.faults,
  );

const cog = 'image/tiff; application=geotiff; profile=cloud-optimized';
const item = (properties: object, assets: object): object => ({
  type: 'Feature',
  stac_version: '1.0.0',
  id: 'S2A_29RKH_20230219_0_L2A',
  geometry: null,
  properties: { datetime: '2023-02-19T11:21:19.024Z', ...properties },
  assets: {
    thumbnail: { href: './thumbnail.jpg', type: 'image/jpeg', roles: ['thumbnail'] },
    visual: { href: './TCI.tif', type: cog, roles: ['visual'] },
    ...assets,
  },
});

/** As earth-search has them: common names, the classification, and the same again as JPEG 2000. */
const earthSearch = (applied: boolean, offset: number): object =>
  item(
    { 'earthsearch:boa_offset_applied': applied, 's2:processing_baseline': '05.09' },
    {
      ...Object.fromEntries(
        names.flatMap((name, k) => {
          const href = `./${['B02', 'B03', 'B04', 'B08'][k]}`;
          const said = {
            'raster:bands': [{ nodata: 0, scale: 0.0001, offset }],
            roles: ['data', 'reflectance'],
          };
          return [
            [name, { ...said, href: `${href}.tif`, type: cog, 'eo:bands': [{ name, common_name: name }] }],
            [`${name}-jp2`, { ...said, href: `${href}.jp2`, type: 'image/jp2' }],
          ];
        }),
      ),
      nir08: { href: './B8A.tif', type: cog, 'eo:bands': [{ name: 'nir08', common_name: 'nir08' }] },
      scl: { href: './SCL.tif', type: cog, roles: ['data', 'reflectance'] },
    },
  );

const save = (name: string, document: object): string => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(document));
  return path;
};

describe('a STAC item', () => {
  test('gives bands, classification, time, and an offset that was applied', async () => {
    // the catalogue's -0.1 describes the product before it was taken off
    const { quality, item: written } = await apply({ inputs: [save('es.json', earthSearch(true, -0.1))] });
    expect(quality.bands.map(({ before }) => before.min)).toEqual([1600, 1900, 2200, 2500]);
    expect(quality.bands[0].masked).toBeCloseTo(1 / 3, 2);
    const { properties } = JSON.parse(readFileSync(written, 'utf8')) as {
      properties: Record<string, unknown>;
    };
    expect(properties['datetime']).toBe('2023-02-19T11:21:19.024Z');
    expect(properties['bandalign:bands']).toMatchObject([
      { boa_offset: 0, scale: 10_000, origin: 'STAC item' },
      {},
      {},
      {},
    ]);
  });

  test('an offset that is still in the pixels is taken off', async () => {
    const { quality } = await apply({ inputs: [save('raw.json', earthSearch(false, -0.1))] });
    expect(quality.bands.map(({ before }) => before.min)).toEqual([600, 900, 1200, 1500]);
  });

  test('CDSE: keys with their size, units of STAC 1.1', async () => {
    const assets = Object.fromEntries(
      ['B02', 'B03', 'B04', 'B08'].flatMap((key) => [
        [
          `${key}_20m`,
          { href: `./${key}_20.jp2`, type: 'image/jp2', 'raster:scale': 0.0001, 'raster:offset': -0.1 },
        ],
        [`${key}_10m`, { href: `./${key}.tif`, type: cog, 'raster:scale': 0.0001, 'raster:offset': -0.1 }],
      ]),
    );
    const { quality } = await apply({ inputs: [save('cdse.json', item({}, assets))] });
    expect(quality.bands.map(({ before }) => before.min)).toEqual([600, 900, 1200, 1500]);
  });

  test('Planetary Computer: as published, by the baseline', async () => {
    const href = 'https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2';
    const keys = ['B02', 'B03', 'B04', 'B08', 'B8A'];
    const assets = Object.fromEntries(
      keys.map((key) => [key, { href: `${href}/${key}_10m.tif`, type: cog, 'eo:bands': [{ name: key }] }]),
    );
    const offsetsOf = async (baseline: string): Promise<number[]> => {
      const path = save('pc.json', item({ 's2:processing_baseline': baseline }, assets));
      const { files, metadata } = await openStacItem(path, names);
      expect(files[3]).toBe(`${href}/B08_10m.tif`);
      return [...(metadata?.offsets.values() ?? [])];
    };
    expect(await offsetsOf('05.09')).toEqual([-1000, -1000, -1000, -1000]);
    expect(await offsetsOf('03.01')).toEqual([0, 0, 0, 0]);
  });

  test('what is none, or lacks something, is refused in a line', async () => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{');
    const few = earthSearch(true, 0) as { assets: Record<string, unknown> };
    const { nir: _, 'nir-jp2': __, ...rest } = few.assets;
    expect(await faultsOf(apply({ inputs: [broken] }))).toEqual([
      expect.stringMatching(/^item: .*broken.json; not JSON/),
    ]);
    for (const [document, message] of [
      [{ type: 'FeatureCollection', features: [] }, /a FeatureCollection, give one STAC item/],
      [{ type: 'Feature' }, /not a STAC item \(stac_version/],
      [{ ...item({}, {}), collection: 'sentinel-2-l1c' }, /Level-1C is top-of-atmosphere/],
      [{ ...few, assets: rest }, /^band nir: item S2A_.* has no asset of it; .*such as B08/],
    ] as const)
      expect(await faultsOf(apply({ inputs: [save('bad.json', document)] }))).toContainEqual(
        expect.stringMatching(message),
      );
    // a baseline alone does not say whether the provider took the offset off
    const assets = Object.fromEntries(
      ['B02', 'B03', 'B04', 'B08'].map((key) => [key, { href: `./${key}.tif`, type: cog }]),
    );
    const silent = save('silent.json', item({ 's2:processing_baseline': '05.09' }, assets));
    expect((await faultsOf(apply({ inputs: [silent] })))[0]).toMatch(/^boa offset: unknown for band blue/);
  });

  describe('by its address', () => {
    let server: Server;
    beforeAll(async () => {
      server = createServer((request, response) => {
        const path = (request.url ?? '').split('?')[0];
        if (path.endsWith('/items/one')) return void response.end(JSON.stringify(earthSearch(true, 0)));
        if (path.startsWith('/closed')) return void response.writeHead(403).end();
        try {
          response.end(readFileSync(join(folder, path.split('/').at(-1) ?? '')));
        } catch {
          response.writeHead(404).end();
        }
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => new Promise((resolve) => server.close(resolve)));

    test('its files are taken from beside it', async () => {
      const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { quality } = await apply({ inputs: [`${host}/v1/collections/s2/items/one`] });
      expect(quality.bands.map(({ before }) => before.min)).toEqual([1600, 1900, 2200, 2500]);
      expect(await faultsOf(apply({ inputs: [`${host}/v1/collections/s2/items/two`] }))).toEqual([
        expect.stringMatching(/^item: .*; the server answers 404, check the address/),
      ]);
      expect(await faultsOf(apply({ inputs: [`${host}/closed/a.tif`], boaOffset: 0 }))).toEqual([
        expect.stringMatching(/answers 403: give an address that is signed/),
      ]);
    });
  });
});

describe('a zipped product', () => {
  const product = 'S2A_MSIL2A_20230219T112119_N0509_R037_T29RKH_20230219T160000.SAFE';
  const images = `${product}/GRANULE/L2A_T29RKH_A1_20230219T112119/IMG_DATA`;
  const place = (band: string, size: string): string =>
    `${images}/R${size}/T29RKH_20230219T112119_${band}_${size}.tif`;
  const metadata = `<?xml version="1.0"?><n1:Level-2A_User_Product xmlns:n1="x"><PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE><BOA_ADD_OFFSET_VALUES_LIST>${[
    1, 2, 3, 7,
  ]
    .map((id) => `<BOA_ADD_OFFSET band_id="${id}">-1000</BOA_ADD_OFFSET>`)
    .join('')}</BOA_ADD_OFFSET_VALUES_LIST></n1:Level-2A_User_Product>`;
  const files = (): Record<string, Uint8Array> => ({
    [`${product}/MTD_MSIL2A.xml`]: Buffer.from(metadata),
    ...Object.fromEntries(
      ['B02', 'B03', 'B04', 'B08'].map((band) => [
        place(band, '10m'),
        readFileSync(join(folder, `${band}.tif`)),
      ]),
    ),
    [place('B02', '20m')]: Buffer.from('not looked at'),
    [place('SCL', '20m')]: readFileSync(join(folder, 'SCL.tif')),
  });

  test('is aligned as its folder is, and nothing of it is left', async () => {
    const unpacked = join(folder, 'unpacked');
    for (const [name, bytes] of Object.entries(files())) {
      mkdirSync(dirname(join(unpacked, name)), { recursive: true });
      writeFileSync(join(unpacked, name), bytes);
    }
    const zip = join(folder, `${product}.zip`);
    writeFileSync(zip, zipSync(files()));
    const [one, other] = [await apply({ inputs: [zip] }), await apply({ inputs: [join(unpacked, product)] })];
    expect(one.quality).toEqual(other.quality);
    expect(one.quality.bands[0].before.min).toBe(600);
    expect(readFileSync(one.out).equals(readFileSync(other.out))).toBe(true);
    expect(readdirSync(dirname(one.out)).filter((name) => name.startsWith('.'))).toEqual([]);
    const { properties } = JSON.parse(readFileSync(one.item, 'utf8')) as {
      properties: Record<string, string[]>;
    };
    expect(properties['bandalign:inputs'][0]).toBe(join(zip, place('B02', '10m')));
  });

  test('damage, a lack and Level-1C are refused in a line, and nothing is left', async () => {
    const whole = zipSync(files());
    const cut = join(folder, 'cut.zip');
    writeFileSync(cut, whole.subarray(0, whole.length - 300));
    expect(await faultsOf(apply({ inputs: [cut] }))).toEqual([
      expect.stringMatching(/^product: .*cut.zip; not a whole zip/),
    ]);
    const spoilt = join(folder, 'spoilt.zip');
    writeFileSync(spoilt, Uint8Array.from(whole).fill(0x55, 700, 900));
    expect(await faultsOf(apply({ inputs: [spoilt] }))).toEqual([
      expect.stringMatching(/^product: .*spoilt.zip; .*fetch it again/),
    ]);
    const { [place('B08', '10m')]: _, ...three } = files();
    const few = join(folder, 'few.zip');
    writeFileSync(few, zipSync(three));
    expect(await faultsOf(apply({ inputs: [few] }))).toEqual([
      expect.stringMatching(/^band nir: B08 is missing in .*few.zip; the download is incomplete/),
    ]);
    const lower = join(folder, 'lower.zip');
    writeFileSync(lower, zipSync({ 'x.SAFE/MTD_MSIL1C.xml': Buffer.from('<a/>') }));
    expect(await faultsOf(apply({ inputs: [lower] }))).toEqual([
      expect.stringMatching(/Level-1C is top-of-atmosphere/),
    ]);
    expect(readdirSync(folder).filter((name) => name === `out-${count}`)).toEqual([]);
  });
});

test('a GF-1 scene of Level 1A is said not to be orthorectified', async () => {
  const stem = join(folder, 'GF1_WFV1_E100.0_N30.0_20200219_L1A0000000001-MSS1');
  await writeGeoTiff(`${stem}.tiff`, { width, height, bands, nodata: 0 });
  cpSync(join(folder, 'B02.tif'), `${stem}_copy.tif`);
  writeFileSync(`${stem}.rpb`, 'satId = "GF1";');
  writeFileSync(`${stem}.xml`, '<?xml version="1.0"?><ProductMetaData/>');
  const { warnings } = await apply({ inputs: [`${stem}.tiff`], boaOffset: 0 });
  expect(warnings).toContainEqual(
    expect.stringMatching(/rational polynomial coefficients \(RPC\).*not orthorectified; .*gdalwarp -rpc/),
  );
  expect(await faultsOf(apply({ inputs: [`${stem}.xml`], boaOffset: 0 }))).toEqual([
    expect.stringMatching(/XML, give the image that it describes/),
  ]);
});
