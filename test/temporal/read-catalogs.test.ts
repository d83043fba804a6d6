import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../src/fault.js';
import { analyse } from '../../src/temporal/analyse.js';
import { assignColumns, parseColumns } from '../../src/temporal/columns.js';
import { readProductName } from '../../src/temporal/product-names.js';
import { readCatalogs } from '../../src/temporal/read-catalogs.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/temporal/${name}`, import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalogs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const write = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};
const faultsOf = async (promise: Promise<unknown>): Promise<string[]> => {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  expect((error as Fault).exitCode).toBe(2);
  return (error as Fault).faults.map((line) => line.replaceAll(`${folder}/`, ''));
};

describe('STAC', () => {
  it('reads two catalogs of different style', async () => {
    const catalog = await readCatalogs([fixture('s2_13TDE_2024-04.json'), fixture('s2_35MNM_2020.geojson')]);
    const { statistics } = analyse(catalog, { threshold: 0 });
    expect([...statistics.keys()]).toEqual(['13TDE', '35MNM']);
    expect(statistics.get('13TDE')!.get('s2')!.n).toBe(10);
    const every5 = statistics.get('35MNM')!.get('s2')!;
    expect([every5.n, every5.gaps.min, every5.gaps.max]).toEqual([13, 5, 5]);
  });

  it('reads pages, however often an item stands in them, and items out of order', async () => {
    const all = JSON.parse(await readFile(fixture('s2_13TDE_2024-04.json'), 'utf8')) as {
      features: unknown[];
    };
    const page = (name: string, features: unknown[]) =>
      write(name, JSON.stringify({ type: 'FeatureCollection', features, numberMatched: 10 }));
    const first = await page('1.json', all.features.slice(0, 6));
    const second = await page('2.json', [...all.features.slice(4)].reverse());
    const lines = await write('3.ndjson', `${all.features.map((item) => JSON.stringify(item)).join('\n')}\n`);
    const whole = analyse(await readCatalogs([fixture('s2_13TDE_2024-04.json')]));
    const paged = analyse(await readCatalogs([second, first, lines]));
    const [a, b] = [whole, paged].map(({ statistics }) => statistics.get('13TDE')!.get('s2')!);
    expect({ ...b, raw: 0 }).toEqual({ ...a, raw: 0 });
    expect([a.raw, b.raw]).toEqual([10, 22]);
    expect(paged.notes.join()).toContain('of 10 matched items');
  });

  it('says that a page has a next one', async () => {
    const { features } = JSON.parse(await readFile(fixture('s2_13TDE_2024-04.json'), 'utf8')) as {
      features: unknown[];
    };
    const links = [
      { rel: 'self', href: 'a' },
      { rel: 'next', href: 'b' },
    ];
    const page = await write('page.json', JSON.stringify({ type: 'FeatureCollection', features, links }));
    const last = await write(
      'last.json',
      JSON.stringify({ type: 'FeatureCollection', features, links: links.slice(1, 1) }),
    );
    const { notes } = await readCatalogs([page, last]);
    expect(notes).toEqual([
      expect.stringMatching(/page\.json: it has a link to a next page; that must be among/),
    ]);
  });

  it('lists every fault with its item', async () => {
    const item = (id: string, properties: object) => ({ type: 'Feature', id, properties });
    const good = {
      platform: 'Sentinel-2A',
      datetime: '2024-01-01T00:00:00Z',
      's2:mgrs_tile': '13TDE',
      'eo:cloud_cover': 3,
    };
    const path = await write(
      'bad.json',
      JSON.stringify({
        type: 'FeatureCollection',
        features: [
          item('good', good),
          item('no-date', { ...good, datetime: null }),
          item('odd', { ...good, 'eo:cloud_cover': 130 }),
          item('no-cloud', { ...good, 'eo:cloud_cover': undefined }),
          item('no-tile', { ...good, 's2:mgrs_tile': undefined }),
          { type: 'Feature', id: 'bare' },
        ],
      }),
    );
    expect(await faultsOf(readCatalogs([path]))).toMatchInlineSnapshot(`
      [
        "bad.json item no-date: datetime is absent; give an ISO 8601 date or time",
        "bad.json item odd: cloud 130; give percent between 0 and 100",
        "bad.json item no-cloud: cloud is absent; give percent between 0 and 100",
        "bad.json item no-tile: tile is absent; name the column or property that holds it",
        "bad.json item 6: no properties; give STAC items",
      ]
    `);
  });

  it('leaves out items of other sensors and says how many, unless there are no others', async () => {
    const text = await readFile(fixture('s2_13TDE_2024-04.json'), 'utf8');
    const catalog = JSON.parse(text) as { features: { properties: Record<string, unknown> }[] };
    const [first, second, ...rest] = catalog.features;
    first.properties = { platform: 'sentinel-1a' };
    second.properties = { platform: 'sputnik', datetime: 'never' };
    const mixed = await readCatalogs([await write('mixed.json', JSON.stringify(catalog))]);
    expect(mixed.acquisitions).toHaveLength(rest.length);
    expect(mixed.notes.join().replaceAll(`${folder}/`, '')).toContain(
      'mixed.json: 2 items of other sensors are left out: sentinel-1a (1), sputnik (1); --sensors counts them',
    );
    const others = await write('others.json', JSON.stringify({ ...catalog, features: [first] }));
    expect(await faultsOf(readCatalogs([others]))).toEqual([
      'others.json: no item is of a known sensor: sentinel-1a (1); known are s2, gf1, gf6, landsat, hls, modis and what --sensors names',
    ]);
  });

  it('names a composite, which has no day, and takes its start when told to', async () => {
    const text = await readFile(fixture('s2_13TDE_2024-04.json'), 'utf8');
    const catalog = JSON.parse(text) as { features: { id: string; properties: Record<string, unknown> }[] };
    Object.assign(catalog.features[0].properties, {
      datetime: null,
      start_datetime: '2024-01-01T00:00:00Z',
      end_datetime: '2024-01-08T23:59:59Z',
    });
    const path = await write('composite.json', JSON.stringify(catalog));
    expect(await faultsOf(readCatalogs([path]))).toEqual([
      `composite.json item ${catalog.features[0].id}: a composite: start_datetime 2024-01-01T00:00:00Z and end_datetime 2024-01-08T23:59:59Z are days apart, so it has no day of its own; leave composites out, or take their start with --columns datetime=start_datetime`,
    ]);
  });

  it('refuses what is cut short, empty or something else, all files at once', async () => {
    const text = await readFile(fixture('s2_13TDE_2024-04.json'), 'utf8');
    const cut = await write('cut.json', text.slice(0, 5000));
    const none = await write('none.json', '{"type":"FeatureCollection","features":[]}');
    const other = await write('other.json', '{"a":1}');
    const blank = await write('blank.csv', '\n');
    const faults = await faultsOf(readCatalogs([cut, none, other, blank, join(folder, 'gone.json')]));
    expect(faults).toHaveLength(5);
    expect(faults[0]).toMatch(/^cut.json: not whole JSON/);
    expect(faults[1]).toBe('none.json: the catalog holds no items; give one with at least one acquisition');
    expect(faults[2]).toMatch(/^other.json: not STAC items/);
    expect(faults[3]).toMatch(/^blank.csv: the catalog holds no items/);
    expect(faults[4]).toBe('catalog: gone.json; no such file or folder');
  });
});

describe('CSV', () => {
  it("tells cloud in percent from fractions by a file's values, and says so", async () => {
    const rows = (clouds: string[]): string =>
      `tile,sensor,datetime,cloud\n${clouds.map((cloud, day) => `13TDE,S2A,2024-07-0${day + 1},${cloud}\n`).join('')}`;
    const fractions = await write('fractions.csv', rows(['0.2', '0', '0.93']));
    const percent = await write('percent.csv', rows(['0.2', '0', '1.1']));
    const few = await write('few.csv', rows(['0.2', '0.4']));
    const clears = async (path: string, ...columns: string[]) => {
      const { acquisitions, notes } = await readCatalogs([path], { columns: columns.map(parseColumns) });
      return {
        clear: acquisitions.map(({ clear }) => Number(clear!.toFixed(9))),
        said: notes.join().includes('no cloud value'),
      };
    };
    expect(await clears(fractions)).toEqual({ clear: [0.8, 1, 0.07], said: true });
    expect(await clears(percent)).toEqual({ clear: [0.998, 1, 0.989], said: false });
    expect(await clears(few)).toEqual({ clear: [0.998, 0.996], said: false });
    // a mapping says that it is percent
    expect(await clears(fractions, 'cloud=cloud')).toEqual({ clear: [0.998, 1, 0.9907], said: true });
  });

  it('reads the plain columns and maps others', async () => {
    const plain = await write(
      'plain.csv',
      'tile,sensor,datetime,clear_fraction\nT13TDE,S2A,2024-07-11T17:39:11Z,0.9\n',
    );
    const mapped = await write(
      'mapped.csv',
      '\ufeffwhen;x\r\n'.replace(';', ',').replace('x', 'path,row,cc,note') +
        '2024-07-12,033,032,30,"two\nlines"\r\n2024-07-13,033,032,31,\r\n',
    );
    const catalog = await readCatalogs([plain, mapped], {
      columns: [parseColumns("mapped.csv:tile=path+row,sensor='landsat-8',datetime=when,cloud=cc")],
    });
    expect(catalog.acquisitions.map(({ tile, platform, clear }) => [tile, platform, clear])).toEqual([
      ['13TDE', 's2a', 0.9],
      ['033-032', 'landsat-8', 0.7],
      ['033-032', 'landsat-8', 0.69],
    ]);
    // 30 % cloud reaches a threshold of 0.7
    expect(analyse(catalog, { threshold: 0.7 }).statistics.get('033-032')!.get('landsat')!.nClear).toBe(1);
  });

  it.each([
    [
      'STAC, with WRS path and row',
      'id,datetime,platform,landsat:wrs_path,landsat:wrs_row,eo:cloud_cover\nx,2024-11-27T17:37:29Z,landsat-8,33,032,25\n',
      { tile: '033-032', platform: 'landsat-8', clear: 0.75 },
    ],
    [
      'EarthExplorer',
      'Landsat Product Identifier L2,WRS Path,WRS Row,Date Acquired,Satellite,Scene Cloud Cover L1\ny,033,032,2024/11/27,9,50\n',
      { tile: '033-032', platform: 'landsat-9', clear: 0.5 },
    ],
    [
      'CNSA',
      'SceneID,SatelliteID,SensorID,ScenePath,SceneRow,ReceiveTime,CloudPercent\n1,GF1,WFV2,12,87,2020-07-01 11:20:30,10\n',
      { tile: '12-87', platform: 'gf1', clear: 0.9 },
    ],
    [
      'EarthExplorer, of Sentinel-2',
      'Entity ID,Acquisition Start Date,Tile Number,Cloud Cover,Platform\nL1C_T13TDE_A1,2024-04-22T17:39:11.024Z,T13TDE,12.5,SENTINEL-2A\n',
      { tile: '13TDE', platform: 's2a', clear: 0.875 },
    ],
    [
      'the Copernicus Browser',
      'Name,ContentDate:Start,cloudCover\nS2B_MSIL2A_20240828T174909_N0511_R141_T13TEF_20240828T214916.SAFE,2024-08-28T17:49:09.024Z,4\n',
      { tile: '13TEF', platform: 's2b', clear: 0.96 },
    ],
    [
      'CNSA in Chinese',
      '产品号,卫星,传感器,Path,Row,采集时间,云量\n1,GF1,WFV2,12,87,2020-07-01 11:20:30,10\n',
      { tile: '12-87', platform: 'gf1', clear: 0.9 },
    ],
    [
      'Earth Engine',
      'system:index,MGRS_TILE,SPACECRAFT_NAME,date,CLOUDY_PIXEL_PERCENTAGE\na,13TDE,Sentinel-2A,2024-04-22,25\n',
      { tile: '13TDE', platform: 's2a', clear: 0.75 },
    ],
  ])('reads columns of %s by their names', async (name, text, expected) => {
    const { acquisitions, notes } = await readCatalogs([await write(`${name.slice(-6)}.csv`, text)]);
    expect(acquisitions).toMatchObject([expected]);
    expect(notes.join()).toContain('columns taken by name');
  });

  it('lists every fault with its line, lines within quotes counted', async () => {
    const path = await write(
      'bad.csv',
      'tile,sensor,datetime,clear_fraction\n"13\nTDE",s2,2024-01-01,1\n13TDE,s2,2024-02-30,1.2\n13TDE,,,\n13TDE,s9,2024-01-01,0.5\n13TDE,s2\n',
    );
    expect(await faultsOf(readCatalogs([path]))).toMatchInlineSnapshot(`
      [
        "bad.csv line 4: datetime 2024-02-30 is no date; give ISO 8601, as 2024-07-09T17:49:09Z",
        "bad.csv line 4: clear 1.2; give a fraction between 0 and 1",
        "bad.csv line 5: sensor is absent; name the column or property that holds it",
        "bad.csv line 5: datetime is absent; give an ISO 8601 date or time",
        "bad.csv line 5: clear is absent; give a fraction between 0 and 1",
        "bad.csv line 7: 2 columns where the header has 4; mend the row",
      ]
    `);
  });

  it('takes sensors that the user names', async () => {
    const path = await write(
      'own.csv',
      'tile,sensor,datetime,clear_fraction\n13TDE,HJ-2A,2024-01-01,1\n13TDE,HJ-2A,2024-01-05,1\n',
    );
    const catalog = await readCatalogs([path], { sensors: ['HJ-2A'] });
    expect(
      analyse(catalog, { sensors: ['HJ-2A'] })
        .statistics.get('13TDE')!
        .get('HJ-2A')!.n,
    ).toBe(2);
    expect(() => analyse(catalog, { sensors: ['HJ-2A', 's2'] })).toThrow(
      /--sensors: s2; no acquisition of it/,
    );
  });

  it('names columns that are not there, and a header without rows', async () => {
    const path = await write('head.csv', 'a,b,c\n');
    const faults = await faultsOf(readCatalogs([path], { columns: [parseColumns('tile=a,sensor=zz')] }));
    expect(faults[0]).toBe(
      'head.csv: column zz for sensor is not in the header; there are a, b, c (a constant goes in quotes)',
    );
    expect(faults.slice(1).map((fault) => fault.split(';')[0])).toEqual([
      'head.csv: no column for datetime',
      'head.csv: no column for cloud or clear',
    ]);
    const empty = await write('empty.csv', 'tile,sensor,datetime,clear_fraction\n');
    expect(await faultsOf(readCatalogs([empty]))).toEqual([
      'empty.csv: the catalog holds no items; give one with at least one acquisition',
    ]);
  });
});

describe('--columns', () => {
  it('speaks of one file, of all, or of each in order', () => {
    const [a, b] = ["tile='X'", 'tile=s2:mgrs_tile'].map(parseColumns);
    expect(assignColumns(['1.csv', '2.csv'], [a, b]).map(({ mapping }) => mapping)).toEqual([
      a.mapping,
      b.mapping,
    ]);
    expect(assignColumns(['1.csv', '2.csv'], [b]).map(({ mapping }) => mapping)).toEqual([
      b.mapping,
      b.mapping,
    ]);
    const own = parseColumns("d/2.csv:tile='a,b'+c,cloud=e");
    expect(own).toEqual({
      file: 'd/2.csv',
      mapping: { tile: [{ constant: 'a,b' }, { column: 'c' }], cloud: [{ column: 'e' }] },
    });
    expect(assignColumns(['1.csv', 'd/2.csv'], [b, own]).map(({ mapping }) => mapping)).toEqual([
      b.mapping,
      own.mapping,
    ]);
    expect(() => assignColumns(['1.csv'], [own])).toThrow('--columns: d/2.csv; no such catalog among 1.csv');
  });
  it.each(['', 'nothing', 'tile=', 'tile=a,tile=b', 'cloud=a,clear=b', 'tile=a,colour=b'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseColumns(text)).toThrow(Fault);
    },
  );
});

describe('product names', () => {
  it.each([
    [
      '/x/S2A_MSIL2A_20240422T173911_N0510_R098_T13TDE_20240423T004950.SAFE/',
      '13TDE',
      's2a',
      '2024-04-22T17:39:11.000Z',
    ],
    ['S2B_MSIL2A_20240828T174909_R141_T13TEF_20240828T214916', '13TEF', 's2b', '2024-08-28T17:49:09.000Z'],
    ['S2A_T13TDE_20240422T174753_L2A', '13TDE', 's2a', '2024-04-22T17:47:53.000Z'],
    ['S2A_1CCV_20240422_0_L2A', '01CCV', 's2a', '2024-04-22T00:00:00.000Z'],
    ['GF1WFV3.16m.2020060024817.51TWL.0000011622.000000.h5', '51TWL', 'gf1', '2020-02-29T02:48:17.000Z'],
    [
      'GF1_WFV1_E114.9_N39.7_20180826_L1A0003413393.tar.gz',
      'E114.9_N39.7',
      'gf1',
      '2018-08-26T00:00:00.000Z',
    ],
    ['LC08_L2SP_033032_20241127_02_T1', '033-032', 'landsat-8', '2024-11-27T00:00:00.000Z'],
  ])('reads %s', (name, tile, platform, iso) => {
    const found = readProductName(name);
    if (found === null || typeof found === 'string') throw new Error(`not read: ${found}`);
    expect([found.tile, found.platform, new Date(found.time).toISOString()]).toEqual([tile, platform, iso]);
  });

  it('reads lists of them, counts them clear and says so; refuses the rest by line', async () => {
    const good = await write(
      'good.txt',
      '# ARD\nGF1WFV3.16m.2020060024817.51TWL.0000011622.000000.h5\n\nGF1WFV1.16m.2020064024817.51TWL.0000011623.000000.h5\n',
    );
    const analysis = analyse(await readCatalogs([good]));
    expect(analysis.statistics.get('51TWL')!.get('gf1')).toMatchObject({ n: 2, nClear: 2, unknown: 2 });
    expect(analysis.notes.join()).toMatch(/tell no cloud; all 2 images count as clear/);
    const bad = await write('bad.txt', 'GF1WFV3.16m.2019366024817.51TWL.0000011622.000000.h5\nholiday.jpg\n');
    const faults = await faultsOf(readCatalogs([bad]));
    expect(faults[0]).toMatch(/^bad.txt line 1: date: GF1WFV3.16m.2019366/);
    expect(faults[1]).toMatch(
      /^bad.txt line 2: product name holiday.jpg is unknown; known forms are S2A_MSIL2A/,
    );
  });
});

describe('other ways to list acquisitions', () => {
  it('reads products of OData and features of OpenSearch, told by their names', async () => {
    const product = {
      ...{ Id: 'b1', Name: 'S2A_MSIL2A_20240422T173911_N0510_R098_T13TDE_20240423T004950.SAFE' },
      ContentDate: { Start: '2024-04-22T17:39:11.024Z', End: '2024-04-22T17:39:11.024Z' },
      Attributes: [
        { Name: 'cloudCover', Value: 12.5 },
        { Name: 'tileId', Value: '13TDE' },
        { Name: 'platformShortName', Value: 'SENTINEL-2' },
        { Name: 'platformSerialIdentifier', Value: 'A' },
      ],
    };
    const odata = await write('odata.json', JSON.stringify({ '@odata.count': 9, value: [product] }));
    const properties = {
      ...{ title: product.Name, platform: 'S2A', startDate: '2024-04-22T17:39:11Z', cloudCover: 12.5 },
    };
    const opensearch = await write(
      'opensearch.json',
      JSON.stringify({ type: 'FeatureCollection', features: [{ type: 'Feature', id: 'b1', properties }] }),
    );
    const { acquisitions, notes } = await readCatalogs([odata, opensearch]);
    for (const found of acquisitions)
      expect(found).toMatchObject({ tile: '13TDE', platform: 's2a', clear: 0.875 });
    expect(acquisitions).toHaveLength(2);
    expect(notes.join()).toContain('1 of 9 matched items');
  });

  it("reads CNSA's exports from Chinese Windows, leaving out other cameras", async () => {
    const gb = Buffer.from([0xce, 0xc0, 0xd0, 0xc7, 0x2c, 0xb4, 0xab, 0xb8, 0xd0, 0xc6, 0xf7]); // 卫星,传感器
    const rest = Buffer.from(
      ',Path,Row,ReceiveTime,CloudPercent\nGF1,WFV2,12,87,2020-07-01 11:20:30,10\nGF1,PMS1,12,87,2020-07-01 11:20:30,10\n',
    );
    const path = join(folder, 'gb.csv');
    await writeFile(path, Buffer.concat([gb, rest]));
    const { acquisitions, notes } = await readCatalogs([path]);
    expect(acquisitions).toMatchObject([{ platform: 'gf1', tile: '12-87' }]);
    expect(notes.join()).toContain('1 items of other sensors are left out: GF1-PMS1 (1)');
  });

  it('leaves out names of other sensors, refuses what is no product', async () => {
    const names = [
      'S2A_MSIL2A_20240422T173911_N0510_R098_T13TDE_20240423T004950.SAFE',
      'S1A_IW_GRDH_1SDV_20240422T130000_20240422T130025_053000_066B2D_1234.SAFE',
      'GF1_PMS1_E114.9_N39.7_20180826_L1A0003413393',
    ];
    const { acquisitions, notes } = await readCatalogs([await write('mixed.txt', names.join('\n'))]);
    expect(acquisitions).toHaveLength(1);
    expect(notes.join()).toContain('2 items of other sensors are left out: S1A (1), GF1_PMS1 (1)');
    const damaged = await write('damaged.txt', 'S2A_MSIL2A_20240422T173911');
    expect(await faultsOf(readCatalogs([damaged]))).toEqual([
      expect.stringContaining('product name S2A_MSIL2A_20240422T173911 is unknown'),
    ]);
  });

  it('counts GF-1 scenes, whose middles jitter, on the MGRS grid', async () => {
    const scenes = [
      ['E114.9_N39.7', '20180801'],
      ['E115.0_N39.7', '20180805'],
      ['E115.1_N39.8', '20180809'],
      ['E114.8_N39.6', '20180813'],
    ].map(([place, date]) => `GF1_WFV1_${place}_${date}_L1A0003413393.tar.gz`);
    const catalog = await readCatalogs([await write('l1a.txt', scenes.join('\n'))]);
    expect(catalog.notes.join()).toContain('4 scenes named by their middle are counted on the MGRS grid');
    const { statistics } = analyse(catalog);
    // 50TLK reaches from 114.65 to 115.9 E, 39.65 to 40.65 N: every scene covers its middle
    expect(statistics.get('50TLK')!.get('gf1')).toMatchObject({ n: 4, gaps: { min: 4, max: 4 } });
  });

  it.each([
    ['CNSA', 'SceneID,SatelliteID,SensorID,ReceiveTime,CloudPercent,CenterLongitude,CenterLatitude'],
    ['CNSA in Chinese', '产品号,卫星,传感器,采集时间,云量,中心经度,中心纬度'],
    ['other spellings', 'scene,SatelliteID,SensorID,date,cloud_cover,scene_centre_lon,Scene Centre Lat'],
  ])('counts a table of centres (%s) on the MGRS grid with no option', async (name, header) => {
    const rows = [
      '7001,GF1,WFV1,2018-08-01 11:20:30,10,114.913,39.689',
      '7002,GF1,WFV1,2018-08-05 11:20:30,80,115.046,39.701',
      '7003,GF1,WFV1,2018-08-09 11:20:30,0,115.108,39.764',
    ];
    const catalog = await readCatalogs([await write(`${name}.csv`, [header, ...rows, ''].join('\n'))]);
    expect(catalog.notes.join()).toContain('3 scenes named by their middle are counted on the MGRS grid');
    expect(catalog.notes.join()).toContain('place=');
    const { statistics } = analyse(catalog);
    // the middle of 50TLK, 115.3 E, 40.1 N, lies 42 to 60 km from these
    expect(statistics.get('50TLK')!.get('gf1')).toMatchObject({ n: 3, nClear: 2, gaps: { min: 8, max: 8 } });
    const names = ['E114.9_N39.7', 'E115.0_N39.7', 'E115.1_N39.8'].map(
      (place, index) => `GF1_WFV1_${place}_2018080${1 + 4 * index}_L1A0003413393`,
    );
    const named = await readCatalogs([await write('names.txt', names.join('\n'))]);
    expect(new Set(catalog.acquisitions.map(({ tile }) => tile))).toEqual(
      new Set(named.acquisitions.map(({ tile }) => tile)),
    );
  });

  it('counts scenes that have a footprint and no tile for the MGRS tiles beneath it', async () => {
    const header = [
      'SatelliteID,SensorID,ReceiveTime,CloudPercent',
      ...['TopLeft', 'TopRight', 'BottomRight', 'BottomLeft'].map((at) => `${at}Latitude,${at}Longitude`),
    ].join(',');
    // around the middle of 50SLJ (115.3 E, 39.2 N) alone
    const [west, east, south, north] = [114.8, 115.7, 38.9, 39.7];
    const corners = [north, west, north, east, south, east, south, west].join(',');
    const table = await write('corners.csv', `${header}\nGF1,WFV1,2018-08-01,10,${corners}\n`);
    const item = {
      ...{ type: 'Feature', id: 'scene 7', bbox: [west, south, east, north] },
      properties: { datetime: '2018-08-05T03:00:00Z', platform: 'GF1', 'eo:cloud_cover': 20 },
    };
    const items = await write(
      'footprints.json',
      JSON.stringify({ type: 'FeatureCollection', features: [item] }),
    );
    const { acquisitions, notes } = await readCatalogs([table, items]);
    expect(acquisitions).toMatchObject([
      { tile: '50SLJ', clear: 0.9 },
      { tile: '50SLJ', clear: 0.8 },
    ]);
    expect(notes.join()).toContain('2 scenes without a tile are counted on the MGRS grid');
  });

  it('refuses a centre that is no place', async () => {
    const header = 'SatelliteID,ReceiveTime,CloudPercent,CenterLongitude,CenterLatitude';
    const path = await write('nowhere.csv', `${header}\nGF1,2018-08-01,10,115,139.7\nGF1,2018-08-02,10,,\n`);
    expect(await faultsOf(readCatalogs([path]))).toEqual([
      expect.stringMatching(/^nowhere.csv line 2: tile is absent/),
      expect.stringMatching(/^nowhere.csv line 3: tile is absent/),
    ]);
  });

  it('brings sensors that are listed on grids of their own onto one', async () => {
    const data = (name: string) => fileURLToPath(new URL(`../../notebooks/data/${name}`, import.meta.url));
    const catalog = await readCatalogs([data('s2_items_1000.csv'), data('landsat_items_100.csv')]);
    const analysis = analyse(catalog);
    expect(analysis.sensors).toEqual(['landsat', 's2']);
    expect(analysis.notes.join()).toMatch(
      /the sensors share no tile: scenes by path and row \(100 of Landsat\)/,
    );
    // by hand: both paths see 13TDE, on 12 days of the common period
    expect(analysis.statistics.get('13TDE')!.get('landsat')!.n).toBe(12);
    expect(analysis.statistics.get('13TDE')!.get('s2')!.n).toBe(20);
    // tiles of the west are not under these two paths
    expect([...analysis.statistics.keys()]).not.toContain('12SXF');
    expect([...analyse(catalog, { tiles: ['033-032'] }).statistics.keys()]).toEqual(['033-032']);
  });
});

describe("the paper's folders", () => {
  it('count a tile, date and sensor once, however many patches', async () => {
    const root = join(folder, 'paper');
    for (const sensor of ['S2', 'GF1', 'mask']) {
      await mkdir(join(root, 'Brazil', sensor), { recursive: true });
      for (const patch of ['21KYU_20190830-00-01', '21KYU_20190830-00-02', '21KYU_20190906-03-01'])
        await writeFile(join(root, 'Brazil', sensor, `${patch}.tif`), '');
    }
    await writeFile(join(root, 'Brazil', 'S2', '21KYU_20190927-00-00.tif'), '');
    const { statistics } = analyse(await readCatalogs([root]), { sensors: ['s2', 'gf1'], extent: 'whole' });
    const bySet = statistics.get('21KYU')!;
    expect(['s2', 'gf1', 's2+gf1'].map((set) => bySet.get(set)!.n)).toEqual([3, 2, 3]);
    await writeFile(join(root, 'SYNTHETIC.json'), '{"seed":7}');
    const synthetic = await readCatalogs([root]);
    expect([synthetic.simulated, synthetic.synthetic]).toEqual([true, [{ seed: 7 }]]);
    expect(synthetic.notes.join()).toContain('paper: synthetic images (SYNTHETIC.json)');
    await writeFile(join(root, 'Brazil', 'S2', 'x.tif'), '');
    await writeFile(join(root, 'Brazil', 'GF1', '21KYU_20190931-00-00.tif'), '');
    const faults = await faultsOf(readCatalogs([root]));
    expect(faults).toHaveLength(2);
    expect(await faultsOf(readCatalogs([folder]))).toHaveLength(1);
  });
});
