import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withRaster } from '../../src/raster/read.js';
import { footprintOf } from '../../src/scenes/footprint.js';
import { gdalMissing } from '../gdal.js';

const inUtm = (zone: number, x: number, y: number) => ({
  transform: [x, 10, 0, y, 0, -10] as const,
  epsg: 32600 + zone,
  pixelIsArea: true,
  geoKeys: null,
});

test('crosses the antimeridian in two polygons', () => {
  const footprint = footprintOf(inUtm(60, 699_960, 6_000_000), 10_980, 10_980);
  expect(footprint?.geometry.type).toBe('MultiPolygon');
  const [west, south, east, north] = footprint!.bbox;
  expect(west).toBeGreaterThan(179);
  expect(east).toBeLessThan(-178);
  expect(north).toBeGreaterThan(south);
  for (const [ring] of footprint!.geometry.coordinates as [number, number][][][]) {
    expect(ring[0]).toEqual(ring.at(-1));
    // counter-clockwise, RFC 7946
    const area = ring.slice(1).reduce((sum, [x, y], k) => sum + (ring[k][0] * y - x * ring[k][1]), 0);
    expect(area).toBeGreaterThan(0);
  }
});

describe.skipIf(gdalMissing)(`as GDAL has it${gdalMissing}`, () => {
  test.each([
    ['EPSG:32733', 500_000, 7_000_000, 2e-6],
    ['EPSG:3035', 4_321_000, 3_210_000, 1e-5],
    ['EPSG:5070', 0, 1_500_000, 1e-5],
    ['EPSG:3857', 1_000_000, 6_000_000, 1e-5],
    ['EPSG:4326', 10, 50, 1e-6],
    ['EPSG:27700', 257_594.685, 282_834.327, 1e-4],
  ])('%s', async (crs, x, y, tolerance) => {
    const folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
    const path = join(folder, 'a.tif');
    const step = crs === 'EPSG:4326' ? 1e-4 : 10;
    const corners = [x, y, x + 300 * step, y - 200 * step].map(String);
    execFileSync('gdal_create', ['-q', '-outsize', '300', '200', '-a_srs', crs, '-a_ullr', ...corners, path]);
    const info = JSON.parse(execFileSync('gdalinfo', ['-json', path], { encoding: 'utf8' })) as {
      wgs84Extent: { coordinates: [number, number][][] };
    };
    const wanted = info.wgs84Extent.coordinates[0];
    const { bbox, geometry } = await withRaster(
      path,
      async ({ georeference }) => footprintOf(georeference!, 300, 200)!,
    );
    const [ring] = geometry.coordinates as [number, number][][];
    // every corner that GDAL has is a corner of ours
    for (const [lon, lat] of wanted)
      expect(Math.min(...ring.map(([a, b]) => Math.hypot(a - lon, b - lat)))).toBeLessThan(tolerance);
    expect(bbox[0]).toBeLessThan(bbox[2]);
    rmSync(folder, { recursive: true });
  });
});
