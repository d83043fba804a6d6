import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-temporal-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, lines: readonly string[]): string => {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  return name;
};

const temporal = (...args: string[]) => {
  // `npm test` builds first
  const words = [here('../../dist/cli/main.js'), 'temporal', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' });
  return { status, stdout, faults: stderr.trim().split('\n') };
};

const json = (...args: string[]) => {
  const { status, stdout, faults } = temporal(...args, '--json', '--quiet');
  expect([status, faults]).toEqual([0, ['']]);
  return JSON.parse(stdout);
};

const rows = [
  'tile,sensor,datetime,clear_fraction',
  'A,s2,2024-07-12T10:00:00Z,1',
  'A,s2,2024-07-02T10:00:00Z,0.9',
  'A,gf1,2024-07-05T03:00:00Z,0.5',
  'A,gf1,2024-07-09T03:00:00Z,0.8',
];

describe('bandalign temporal --json', () => {
  it('prints one document of the documented shape, rows in any order', () => {
    expect(json(write('order.csv', rows), '--all')).toEqual({
      period: { from: '2024-07-02', to: '2024-07-12' },
      tiles: {
        A: {
          gf1: {
            n: 2,
            nClear: 1,
            gaps: { min: null, mean: null, median: null, max: null },
            gapsWithEdges: { min: 3, mean: 5, median: 5, max: 7 },
            perMonth: { '2024-07': 1 },
          },
          s2: {
            n: 2,
            nClear: 2,
            gaps: { min: 10, mean: 10, median: 10, max: 10 },
            gapsWithEdges: { min: 10, mean: 10, median: 10, max: 10 },
            perMonth: { '2024-07': 2 },
          },
          'gf1+s2': {
            n: 4,
            nClear: 3,
            gaps: { min: 3, mean: 5, median: 5, max: 7 },
            gapsWithEdges: { min: 3, mean: 5, median: 5, max: 7 },
            perMonth: { '2024-07': 3 },
          },
        },
      },
    });
  });

  it('counts the period and the tiles that all sensors have, and says so; everything with --all', () => {
    const path = write('common.csv', [
      ...[
        'tile,sensor,datetime,clear_fraction',
        'A,s2,2024-06-01,1',
        'A,s2,2024-07-05,1',
        'A,s2,2024-07-12,1',
      ],
      ...['A,gf1,2024-07-01,1', 'A,gf1,2024-07-11,1', 'A,gf1,2024-07-20,1', 'B,s2,2024-07-01,1'],
    ]);
    const { period, tiles } = json(path);
    expect(period).toEqual({ from: '2024-07-01', to: '2024-07-12' });
    expect(Object.keys(tiles)).toEqual(['A']);
    // the days before 07-01, which GF-1 lacks, and those after 07-12, which S2 lacks, are nobody's gap
    expect(tiles.A.gf1.gapsWithEdges.max).toBe(10);
    expect(tiles.A.s2.gapsWithEdges.max).toBe(7);
    const whole = json(path, '--all');
    expect(whole.period).toEqual({ from: '2024-06-01', to: '2024-07-20' });
    expect(Object.keys(whole.tiles)).toEqual(['A', 'B']);
    expect(whole.tiles.A.gf1.gapsWithEdges.max).toBe(30);
    const { faults } = temporal(path, '--json');
    expect(faults).toEqual([
      'bandalign: 1 of 2 tiles are left out, as not every sensor has acquisitions of them; --all counts them',
      'bandalign: counted is the period that all sensors have, 2024-07-01 to 2024-07-12 (GF-1 WFV 2024-07-01 to 2024-07-20; Sentinel-2 2024-06-01 to 2024-07-12); --all counts the whole',
    ]);
  });

  it('takes the threshold, the period and the sensors', () => {
    const path = write('options.csv', rows);
    const words = ['--clear', '0.4', '--from', '2024-06-28', '--to', '2024-07-10', '--sensors', 'gf1'];
    expect(json(path, ...words)).toEqual({
      period: { from: '2024-06-28', to: '2024-07-10' },
      tiles: {
        A: {
          gf1: {
            n: 2,
            nClear: 2,
            gaps: { min: 4, mean: 4, median: 4, max: 4 },
            gapsWithEdges: { min: 1, mean: 4, median: 4, max: 7 },
            perMonth: { '2024-06': 0, '2024-07': 2 },
          },
        },
      },
    });
  });

  it('takes columns by other names: percent of cloud, joined columns, a constant; clear as a fraction', () => {
    const cloud = write('cloud.csv', ['path,row,when,cc', '33,32,2024-07-02,30', '33,32,2024-07-05,31']);
    const columns = "tile=path+row,sensor='landsat-8',datetime=when,cloud=cc";
    // a constant is the sensor's name; 70 % clear is clear enough, 69 % is not
    expect(json(cloud, '--columns', columns).tiles).toMatchObject({
      '33-32': { 'landsat-8': { n: 2, nClear: 1 } },
    });
    expect(json(cloud, '--columns', columns, '--sensors', 'landsat').tiles).toMatchObject({
      '33-32': { landsat: { n: 2, nClear: 1 } },
    });
    const own = columns.replace('landsat-8', 'PlanetScope');
    expect(json(cloud, '--columns', own).tiles).toMatchObject({ '33-32': { PlanetScope: { n: 2 } } });
    const clear = write('clear.csv', ['t,s,d,c', '33-32,s2,2024-07-03,0.7']);
    const both = json(
      ...[cloud, clear, '--columns', `cloud.csv:${columns}`],
      ...['--columns', 'clear.csv:tile=t,sensor=s,datetime=d,clear=c', '--sensors', 's2,landsat-8', '--all'],
    ).tiles;
    expect(Object.keys(both['33-32'])).toEqual(['s2', 'landsat-8', 's2+landsat-8']);
    expect(both['33-32']['s2+landsat-8'].gaps).toEqual({ min: 1, mean: 1, median: 1, max: 1 });
  });

  it('keeps tiles by any spelling of their names', () => {
    const two = write('tiles.csv', [
      'tile,sensor,datetime,clear',
      '13TDE,s2,2024-07-01,1',
      '13TDF,s2,2024-07-02,1',
      '13TDF,s2,2024-07-04,1',
    ]);
    expect(Object.keys(json(two, '--tiles', 'T13TDF').tiles)).toEqual(['13TDF']);
  });
});

describe('bandalign temporal refuses', () => {
  it('a bad call: every fault, a line each, exit 2', () => {
    expect(temporal('--clear', '2', '--from', 'x', '--to', '2024-02-30')).toEqual({
      status: 2,
      stdout: '',
      faults: [
        'bandalign: --from: x; a date as 2024-07-09',
        'bandalign: --to: 2024-02-30; a date as 2024-07-09',
        'bandalign: --clear: 2; the least clear share, between 0 and 1',
        'bandalign: --out: missing; give --out DIR',
        'bandalign: catalog: none given; name STAC JSON, CSV, a list of product names or a dataset folder',
      ],
    });
  });

  it('bad rows: all of a file at once, with their lines', () => {
    const path = write('bad.csv', [
      'tile,sensor,datetime,cloud',
      'A,s2,2024-07-02,10',
      'A,s2,never,20',
      'B,s2,2024-07-02,130',
      'B,,2024-07-03,',
    ]);
    const columns = 'tile=tile,sensor=sensor,datetime=datetime,cloud=cloud';
    const { status, stdout, faults } = temporal(path, '--json', '--columns', columns);
    expect([status, JSON.parse(stdout).faults.length]).toEqual([2, faults.length]);
    expect(faults).toEqual([
      'bandalign: bad.csv line 3: datetime never is no date; give ISO 8601, as 2024-07-09T17:49:09Z',
      'bandalign: bad.csv line 4: cloud 130; give percent between 0 and 100',
      'bandalign: bad.csv line 5: sensor is absent; name the column or property that holds it',
      'bandalign: bad.csv line 5: cloud is absent; give percent between 0 and 100',
    ]);
  });

  it('bad items by their id; files that are cut, empty or absent, each', () => {
    const item = (id: string, properties: object) => ({ type: 'Feature', id, properties });
    const good = {
      datetime: '2024-07-02T10:00:00Z',
      platform: 'sentinel-2a',
      'eo:cloud_cover': 3,
      's2:mgrs_tile': '13TDE',
    };
    write('items.json', [
      JSON.stringify({
        type: 'FeatureCollection',
        features: [
          item('one', good),
          item('two', { ...good, 'eo:cloud_cover': -1 }),
          item('three', { ...good, datetime: null }),
        ],
      }),
    ]);
    write('cut.json', ['{"type":"FeatureCollection","features":[{"type":"Feature","id":"S2A_1","prop']);
    write('empty.json', ['{"type":"FeatureCollection","features":[]}']);
    const { status, faults } = temporal('items.json', 'cut.json', 'empty.json', 'absent.json', '--json');
    expect(status).toBe(2);
    expect(faults).toEqual([
      expect.stringMatching(/^bandalign: items\.json item two: .*-1/),
      expect.stringMatching(/^bandalign: items\.json item three: .*datetime/),
      expect.stringMatching(/^bandalign: cut\.json: not whole JSON/),
      expect.stringMatching(/^bandalign: empty\.json: the catalog holds no items/),
      expect.stringMatching(/^bandalign: catalog: absent\.json; no such file or folder/),
    ]);
  });

  it('one date a tile, which has no gaps', () => {
    const path = write('pairs.csv', [
      'tile,sensor,datetime,clear',
      'A,s2,2024-07-02,1',
      'B,gf1,2024-07-05,1',
    ]);
    expect(temporal(path, '--json')).toEqual({
      status: 2,
      stdout: expect.stringMatching(/^\{"error":"catalog: one date a tile/),
      faults: [
        'bandalign: catalog: one date a tile, 2 tiles; gaps are between dates of a tile, so give all acquisitions of a period',
      ],
    });
  });

  it('columns and sensors that are not there, and a period the wrong way round', () => {
    const path = write('known.csv', rows);
    for (const [words, fault] of [
      [
        ['--columns', 'tile=nope,sensor=sensor,datetime=datetime,clear=clear_fraction'],
        /column nope for tile/,
      ],
      [['--columns', 'what'], /--columns: what; write tile=COLUMN/],
      [['--sensors', 'modis'], /--sensors: modis; .*gf1, s2/],
      [['--from', '2024-07-10', '--to', '2024-07-01'], /2024-07-10.*2024-07-01|2024-07-01.*2024-07-10/],
    ] as [string[], RegExp][]) {
      const { status, stdout, faults } = temporal(path, '--json', ...words);
      expect([status, faults]).toEqual([2, [expect.stringMatching(fault)]]);
      expect(JSON.parse(stdout).error).toMatch(fault);
    }
  });
});

it('writes tables, figures and the report, and nothing where the input is bad', () => {
  const path = write('report.csv', rows);
  const { status, stdout } = temporal(path, '--out', 'out');
  expect(status).toBe(0);
  expect(stdout).toContain('open out/report.html');
  expect(readdirSync(join(folder, 'out'))).toContain('report.html');
  write('worse.csv', ['tile,sensor,datetime,clear_fraction', 'A,s2,never,1']);
  expect(temporal('worse.csv', '--out', 'none').status).toBe(2);
  expect(existsSync(join(folder, 'none'))).toBe(false);
}, 60_000);
