import { execFileSync, spawnSync } from 'node:child_process';

/** Debian's Python has GDAL's bindings; another one is named by BANDALIGN_TEST_PYTHON. */
export const python = process.env['BANDALIGN_TEST_PYTHON'] ?? '/usr/bin/python3';

/** Why the tests that need GDAL are skipped, for their titles; empty where GDAL is complete. */
export const gdalMissing: string = (() => {
  if (spawnSync('gdalinfo', ['--version']).status !== 0) return ' (skipped: no gdalinfo; install gdal-bin)';
  const code = 'import numpy; from osgeo_utils.samples import validate_cloud_optimized_geotiff';
  if (spawnSync(python, ['-c', code]).status !== 0)
    return ` (skipped: ${python} has no GDAL bindings; install python3-gdal)`;
  return '';
})();

export interface GdalInfo {
  size: [number, number];
  geoTransform?: number[];
  coordinateSystem: { wkt: string };
  metadata: Record<string, Record<string, string>>;
  bands: {
    type: string;
    block: [number, number];
    description?: string;
    noDataValue?: number | string;
    scale?: number;
    offset?: number;
    checksum: number;
    overviews?: { size: [number, number]; checksum: number }[];
  }[];
}

export const gdalInfo = (path: string): GdalInfo =>
  JSON.parse(execFileSync('gdalinfo', ['-json', '-checksum', path], { encoding: 'utf8' })) as GdalInfo;

/** Runs Python code with GDAL and gives back what it prints. */
export const runPython = (code: string, ...args: string[]): string =>
  execFileSync(python, ['-c', code, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
